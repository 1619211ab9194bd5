"""Which text of a page is its article: libraries are asked in the order of their cost, and outvote each other.

1. trafilatura's own rules and resiliparse's main content. Where both found about as much, trafilatura is right.
2. Where they disagree, trafilatura with its fallbacks, unless resiliparse found much more: then the length of the
   page's region of prose decides for a page that says it is an article, and resiliparse is right for any other.
3. The region witnesses the beginning and the end: lines there that do not stand in it are teasers and bylines.

The figures were chosen with the public article benchmark and both parts of WCXB in sight: all three were seen while
choosing, some pages are in both parts, and no page was kept back to check on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from typing import Any, Final

from flows.extraction.letters import letters
from flows.extraction.remembered_paths import remember

_WORD: Final = re.compile(r"\w+")
_SHORT: Final = 250  # characters under which trafilatura found hardly anything
_AGREEMENT: Final = (0.4, 1.2)  # resiliparse's length over trafilatura's
_MORE: Final = 1.4
_MUCH_MORE: Final = 2.0
_LEANING: Final = 0.4  # how far from trafilatura's length towards resiliparse's, in powers, the region's must lie
_GRAM: Final = 4
_SUPPORTED: Final = 0.6  # share of a line's four-word runs that the region must hold
_RELIABLE: Final = 0.6  # share of the text's words in lines the region knows, from which it may judge the others
# Shares of the text that may go. An article's own page has more above the text; what is no article has no edges.
_HEAD_OF_ARTICLE: Final = 0.2
_HEAD: Final = 0.05
_TAIL: Final = 0.3
_FEW: Final = 3  # words that may go from either end of however short a text: a menu of two entries
_TITLE_LINES: Final = 3
# The searches of trafilatura that every page goes through.
REMEMBERED: Final = (
    "RAW_TREE_PRUNE_XPATH", "REMOVE_COMMENTS_AND_LISTS_XPATH", "OVERALL_DISCARD_XPATH", "DISCARD_IMAGE_ELEMENTS",
    "TEASER_DISCARD_XPATH",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Choice:
    """The text of the article, a block a line, and who found it."""

    text: str
    extractor: str


@dataclass(frozen=True, slots=True)
class Kind:
    """What a page says it is."""

    article: bool
    product: bool


def choose(html: str, tree: Any, region: str, kind: Kind, titles: list[str]) -> Choice:
    """Choose the article's text.

    Args:
        html: The page.
        tree: The page, parsed; not changed (trafilatura works on copies).
        region: The text of the page's region of prose.
        kind: What the page says it is.
        titles: What the page calls itself; such a line at the beginning is left out, since titles are kept apart.
    """
    second = _resiliparse(html)
    text = _trafilatura(tree, fast=True)
    name = f"trafilatura {_version('trafilatura')}"
    if len(text) < _SHORT or not _AGREEMENT[0] * len(text) <= len(second) <= _AGREEMENT[1] * len(text):
        text = _trafilatura(tree, fast=False)
        if _is_better(second, text, kind, len(region)):
            text, name = second, f"resiliparse {_version('resiliparse')}"
    trimmed = _trimmed(text, region, _HEAD_OF_ARTICLE if kind.article else _HEAD)
    if trimmed != text:
        text, name = trimmed, f"{name}, edges trimmed"
    return Choice(_without_title(text, titles), name)


def _is_better(second: str, text: str, kind: Kind, region: int) -> bool:
    """Tell whether resiliparse's text is to be taken instead of trafilatura's."""
    if kind.product and not kind.article:  # the description is short, what is around it long
        return False
    if len(text) < _SHORT or len(second) > _MUCH_MORE * len(text):
        return len(second) > len(text)
    if len(second) <= _MORE * len(text):
        return False
    return not kind.article or region > len(text) ** (1 - _LEANING) * len(second) ** _LEANING


def _without_title(text: str, titles: list[str]) -> str:
    keys = set(map(letters, titles)) - {""}
    lines = text.split("\n")
    for number, line in enumerate(lines[:_TITLE_LINES]):
        if letters(line) in keys:
            return "\n".join(lines[:number] + lines[number + 1 :])
    return text


def _trimmed(text: str, region: str, head: float) -> str:
    """Leave out the first and the last lines that the region does not hold, unless they are too many."""
    lines, known = text.split("\n"), _Known(region)
    if known.holds(lines[0]) and known.holds(lines[-1]):  # most pages: then nothing can go
        return text
    counted = [len(_words(line)) for line in lines]
    total = sum(counted)
    held = [number for number, line in enumerate(lines) if known.holds(line)]
    if not held or sum(counted[number] for number in held) < _RELIABLE * total:
        return text
    start, end = held[0], held[-1] + 1
    if sum(counted[:start]) > max(_FEW, head * total):
        start = 0
    if sum(counted[end:]) > max(_FEW, _TAIL * total):
        end = len(lines)
    return "\n".join(lines[start:end])


class _Known:
    """What stands in a region of prose: its lines, and, only if they are asked for, its words in runs."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = set(text.split("\n"))

    def holds(self, line: str) -> bool:
        """Tell whether a line stands there, to the letter or in most of its runs of words; one of no words never does."""
        if line in self._lines:
            return _WORD.search(line) is not None
        words = _words(line)
        if len(words) < _GRAM:
            return bool(words) and " ".join(words) in self._short
        runs = _grams(words)
        return sum(map(self._runs.__contains__, runs)) >= _SUPPORTED * len(runs)

    @cached_property
    def _short(self) -> set[str]:
        return {" ".join(words) for words in map(_words, self._lines) if len(words) < _GRAM}

    @cached_property
    def _runs(self) -> set[tuple[str, ...]]:
        return set(_grams(_words(self._text)))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _grams(words: list[str]) -> list[tuple[str, ...]]:
    return list(zip(*(words[start:] for start in range(_GRAM)), strict=False))


@cache
def _version(package: str) -> str:
    return version(package)


@cache
def _options(fast: bool) -> Any:
    # Reading the configuration is 6 % of a short call: one for the process.
    from trafilatura.settings import Extractor

    return Extractor(output_format="txt", comments=False, fast=fast)


@cache
def _extract() -> Any:
    from trafilatura import extract, xpaths

    for name in REMEMBERED:
        remember(getattr(xpaths, name, []))
    return extract


def _trafilatura(tree: Any, *, fast: bool) -> str:
    try:
        return _extract()(tree, options=_options(fast)) or ""
    except Exception:  # one page must not end a run, whatever its markup does to a library
        return ""


def _resiliparse(html: str) -> str:
    from resiliparse.extract.html2text import extract_plain_text

    try:
        return str(extract_plain_text(html, main_content=True, alt_texts=False, comments=False, post_meta=False))
    except Exception:  # as above
        return ""
