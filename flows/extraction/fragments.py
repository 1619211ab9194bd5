"""HTML fragments (a post's `content.rendered`, an export's `content:encoded`) to text and Markdown.

Imports lxml and nothing heavier. The tree is parsed once and walked once (`flows.extraction.walker`).
"""

from __future__ import annotations

import html as entities
import re
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final

from lxml import etree

from flows.extraction.blocks import BLOCK_RULES
from flows.extraction.escaping import escape_line_starts, escape_text
from flows.extraction.inline import INLINE_RULES
from flows.extraction.shortcodes import closing_names, expand_known
from flows.extraction.simple_blocks import walk_blocks, written_out
from flows.extraction.tables import table
from flows.extraction.walker import Walker, joined_markdown, joined_text

# Raise the number whenever the same HTML would come out differently: stored rows name the rules they were
# made by.
EXTRACTOR: Final = "fragments 2 (lxml {}.{}.{}, libxml2 {}.{}.{})".format(
    *etree.LXML_VERSION[:3], *etree.LIBXML_VERSION
)

_RULES: Final = {**BLOCK_RULES, **INLINE_RULES, "table": table}
# Without huge_tree libxml2 drops everything below, and after, the 255th level.
_PARSER: Final = etree.HTMLParser(
    huge_tree=True, remove_comments=True, remove_pis=True, encoding="utf-8", no_network=True
)
_DEEPEST_PARSED: Final = 2048
_CONTROLS: Final = bytes([*range(9), *range(14, 32), 127])
_VERTICAL_TAB_AS_SPACE: Final = bytes.maketrans(b"\v", b" ")
_C1: Final = re.compile(rb"\xc2[\x80-\x9f]")
_TYPED_C1: Final = re.compile(rb"&#(?:x0*([89][0-9a-f])|0*(12[89]|1[345]\d));", re.I)


@dataclass(frozen=True, slots=True)
class Extracted:
    """The content of one document, in every form the lake stores.

    Attributes:
        text: Readable prose without markup: paragraphs separated by a blank line, list items as lines `-
            item` or `1. item` (nested ones indented by two spaces), table rows as lines with ` | ` between
            cells.
        markdown: The same content as CommonMark with GFM tables and strikethrough.
        headings: `{"level": int, "text": str}` in document order.
        links: `{"url", "text", "rel", "is_internal"}`; anchors within the page are not links.
        images: `{"url", "alt", "caption"}`.
    """

    text: str
    markdown: str
    headings: list[dict[str, object]]
    links: list[dict[str, object]]
    images: list[dict[str, object]]


def extract_fragment(html: str, *, base_url: str | None = None, autop: bool = False) -> Extracted:
    """Extract a fragment whose every block is content: nothing is judged by length or link density.

    Args:
        html: The fragment. Comments, scripts, widgets and shortcode tags are left out.
        base_url: The document's address, to resolve links and tell internal ones.
        autop: Apply WordPress' paragraph rule first, for content that was stored but never rendered.

    Returns:
        The content; empty for an empty fragment. Never raises on malformed HTML.
    """
    html = expand_known(html)
    if autop:
        from flows.extraction.autop import add_paragraphs

        html = add_paragraphs(html)
    html = written_out(clean(html))
    walker = walker_for(base_url, closing_names(html))
    if not walk_blocks(walker, html, partial(_walk_parsed, walker)):
        return _tags_stripped(html)
    return _extracted(walker)


def _walk_parsed(walker: Walker, html: str) -> bool:
    """Parse some blocks and walk them; return False for a tree that the parser cannot hold."""
    root = _parse(html.encode())
    if root is None:
        return False
    walker.flow(root)
    walker.flush()
    return True


def extract_tree(root: Any, *, base_url: str | None = None, closed: frozenset[str] = frozenset()) -> Extracted:
    """Extract a parsed element's content; see `extract_fragment`."""
    walker = walker_for(base_url, closed)
    walker.flow(root)
    walker.flush()
    return _extracted(walker)


def _extracted(walker: Walker) -> Extracted:
    blocks = walker.blocks
    while blocks and blocks[-1].kind == "rule":
        blocks.pop()
    return Extracted(joined_text(blocks), joined_markdown(blocks), walker.headings, walker.links, walker.images)


def walker_for(base_url: str | None = None, closed: frozenset[str] = frozenset()) -> Walker:
    """Make a walker with all the rules."""
    return Walker(_RULES, base_url, closed)


def clean_bytes(text: str) -> bytes:
    """Encode to UTF-8 without what no converter survives: lone surrogates, NUL, other control characters."""
    try:
        data = text.encode()
    except UnicodeEncodeError:  # a pair split by JSON escapes is joined, a lone half becomes U+FFFD
        data = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
    data = data.translate(_VERTICAL_TAB_AS_SPACE, _CONTROLS)
    if b"\xef\xbb\xbf" in data:
        data = data.replace(b"\xef\xbb\xbf", b"")
    if b"\xc2" in data:
        data = _C1.sub(_windows_character, data)
    if b"&#" in data:
        data = _TYPED_C1.sub(_windows_reference, data)
    return data


def clean(text: str) -> str:
    """Remove lone surrogates and control characters from a string."""
    return clean_bytes(text).decode()


def _windows_character(match: re.Match[bytes]) -> bytes:
    if match.group() == b"\xc2\x85":
        return b"\n"
    return match.group()[1:].decode("cp1252", "ignore").encode()


def _windows_reference(match: re.Match[bytes]) -> bytes:
    hexadecimal, decimal = match.groups()
    code = int(hexadecimal, 16) if hexadecimal else int(decimal)
    return bytes([code]).decode("cp1252", "ignore").encode()


def _parse(data: bytes) -> Any:
    """Parse to a body element; None for a tree deeper than libxml2 holds: the rest would be cut off."""
    root = etree.fromstring(b"<html><body>" + data, _PARSER)
    if data.count(b"<") > _DEEPEST_PARSED:
        log = _PARSER.error_log
        if len(log) and log[-1].type_name == "ERR_RESOURCE_LIMIT":
            return None
    return root


def _tags_stripped(html: str) -> Extracted:
    """The last resort for nesting beyond any parser: words in order, paragraphs where blocks were."""
    html = re.sub(
        r"<(script|style|noscript|template|svg)\b.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)",
        "",
        html,
        flags=re.S | re.I,
    )
    html = re.sub(
        r"</?(?:p|div|h[1-6]|ul|ol|li|table|tr|section|article|blockquote|figure|pre|dl|dt|dd|hr|br)\b[^<>]*>",
        "\n\n",
        html,
        flags=re.I,
    )
    html = re.sub(r"</?[A-Za-z][^<>]*>", "", html)
    lines = [" ".join(part.split()) for part in entities.unescape(html).split("\n\n")]
    paragraphs = [clean(line) for line in lines if line]
    marked = [escape_line_starts(escape_text(paragraph)) for paragraph in paragraphs]
    return Extracted("\n\n".join(paragraphs), "\n\n".join(marked), [], [], [])


@cache
def _title_tags() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Compiled on first use: closed code (never past the next opening: linear time), inline, block tags."""
    return (
        re.compile(
            r"<(script|style|noscript|template)\b[^<>]*>(?:(?!<\1\b).)*?</\1\s*>"
            r"|<!--(?:(?!<!--).)*?-->",
            re.S | re.I,
        ),
        re.compile(
            r"</?(?:a|abbr|b|bdi|bdo|big|cite|code|del|dfn|em|font|i|img|ins|kbd|mark|nobr|q|s|samp|small|span"
            r"|strike|strong|sub|sup|time|tt|u|var|wbr|button|label|svg|path|object)(?:\s[^<>]*)?/?>",
            re.I,
        ),
        re.compile(
            r"</?(?:address|article|aside|blockquote|br|center|dd|details|div|dl|dt|figcaption|figure|footer|form"
            r"|h[1-6]|header|hr|iframe|li|main|nav|ol|p|pre|section|summary|table|tbody|td|tfoot|th|thead|tr|ul"
            r"|video|audio)(?:\s[^<>]*)?/?>",
            re.I,
        ),
    )


def plain_inline(html: str) -> str:
    """Read a title, a term's name or an excerpt: tags removed, entities decoded exactly once, one line.

    Only tags a title can hold are tags: WordPress sends a literal `<script>` in a title as it was typed,
    and it stays. A script or style that is closed is code, and goes.
    """
    if "<" in html:
        code, inline, block = _title_tags()
        html = inline.sub("", block.sub(" ", code.sub(" ", html)))
    if "&" in html:
        html = entities.unescape(html)
    return " ".join(clean(html).split())
