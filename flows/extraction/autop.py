"""WordPress' paragraph rule, for posts stored before blocks and never rendered."""

from __future__ import annotations

import re
from typing import Final

_BLOCK_NAMES: Final = (
    r"table|thead|tfoot|caption|col|colgroup|tbody|tr|td|th|div|dl|dd|dt|ul|ol|li|pre|form|map|area|blockquote"
    r"|address|style|p|h[1-6]|hr|fieldset|legend|section|article|aside|hgroup|header|footer|nav|figure|figcaption"
    r"|details|menu|summary|iframe|video|audio"
)
_BEFORE_BLOCK: Final = re.compile(rf"(<(?:{_BLOCK_NAMES}|script)[\s/>])", re.I)
_AFTER_BLOCK: Final = re.compile(rf"(</(?:{_BLOCK_NAMES}|script)>|<hr\s*/?>)", re.I)
_STARTS_BLOCK: Final = re.compile(rf"\s*</?(?:{_BLOCK_NAMES}|script)[\s/>]", re.I)
_KEPT_WHOLE: Final = re.compile(r"(<(pre|script|style|textarea)\b.*?(?:</\2\s*>|\Z))", re.S | re.I)
_BLANK_LINE: Final = re.compile(r"\n[ \t]*\n\s*")


def add_paragraphs(html: str) -> str:
    """Apply WordPress' `wpautop`: blank lines become paragraphs, single newlines line breaks.

    Content made of blocks (`<!-- wp:paragraph -->`) is returned as it is, as WordPress does.
    """
    if "<!-- wp:" in html:
        return html
    html = html.replace("\r\n", "\n").replace("\r", "\n")
    kept: list[str] = []

    def set_aside(match: re.Match[str]) -> str:
        kept.append(match.group())
        return f"\n\n<pre data-kept={len(kept) - 1}></pre>\n\n"

    html = _KEPT_WHOLE.sub(set_aside, html)
    html = _AFTER_BLOCK.sub(r"\1\n\n", _BEFORE_BLOCK.sub(r"\n\n\1", html))
    chunks = []
    for chunk in _BLANK_LINE.split(html):
        if not chunk.strip():
            continue
        if _STARTS_BLOCK.match(chunk):
            chunks.append(chunk)
        else:
            chunks.append("<p>" + chunk.strip().replace("\n", "<br>\n") + "</p>")
    html = "\n".join(chunks)
    return re.sub(r"<pre data-kept=(\d+)></pre>", lambda match: kept[int(match.group(1))], html)
