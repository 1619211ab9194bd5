"""The letters of a text: what is left to compare when case, spaces, marks and punctuation are gone."""

from __future__ import annotations

import re
from typing import Final

_FOLDED: Final = bytes(range(256)).lower()
_REST: Final = bytes(code for code in range(128) if not chr(code).isalnum())
_SIGNS: Final = re.compile(r"\W+")


def letters(text: str) -> str:
    """Return a text's letters and digits, case folded.

    >>> letters("Don’t – panic_2!")
    'dontpanic2'
    """
    # Bytes are translated at a tenth of what a pattern costs, and beyond ASCII there is seldom more than a few quotes.
    data = text.encode("utf-8", "surrogatepass").translate(_FOLDED, _REST)
    kept = data.decode("utf-8", "surrogatepass").casefold()
    return kept if kept.isalnum() else _SIGNS.sub("", kept)
