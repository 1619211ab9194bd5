"""One pass over a parsed HTML tree that writes text, Markdown, headings, links and images together.

Text and Markdown come from the same visit of the same nodes, so neither can hold what the other lacks. A run
of inline content is collected in two parallel buffers and closed into a block wherever HTML starts or ends
one.

The text form: paragraphs separated by a blank line; list items are lines `- item` or `1. item`, nested ones
indented by two spaces; table rows are lines, cells separated by ` | `; code is verbatim; images leave none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import urljoin

from lxml import etree

from flows.extraction.boilerplate import DROPPED_TAGS, is_boilerplate_class, is_boilerplate_id, is_hidden, words
from flows.extraction.escaping import autolinked, escape_line_starts, escape_text, link
from flows.extraction.shortcodes import strip_shortcodes

Element = Any  # lxml's elements carry no types

# Past this depth a tree is walked without recursion; the deepest of 502 real pages had 45 levels.
MAX_DEPTH: Final = 100

BLOCK_TAGS: Final = words(
    "address article aside blockquote body center dd details dialog dir div dl dt fieldset figcaption "
    "figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr html iframe legend li main menu ol p pre "
    "search section summary marquee table tbody td tfoot th thead tr ul video audio object embed"
)
# A single space is left alone: replacing every one by itself is most of the work.
_SPACES: Final = re.compile(r"[\t\n\r\f\xa0][ \t\n\r\f\xa0]*| [ \t\n\r\f\xa0]+")
_BLANKS: Final = re.compile(r"[ \t\r\f\xa0]+")
_LINE_ENDS: Final = re.compile(r" ?\n ?")
_CJK_BREAK: Final = re.compile(r"(?<=[\u2e80-\u9fff\uff00-\uffef])[ \t\r]*\n\s*(?=[\u2e80-\u9fff\uff00-\uffef])")

_PLAIN_PATH: Final = re.compile(r"/(?!/)[\w%~+=&,@./-]*")


class Block(NamedTuple):
    """One paragraph, list, table… in both forms; either may be empty (an image has no text)."""

    text: str
    markdown: str
    kind: str = ""


Rule = Callable[["Walker", Element], None]


class Walker:
    """Collects the blocks, headings, links and images of one document; use once."""

    def __init__(
        self, rules: Mapping[str, Rule], base_url: str | None = None, closed: frozenset[str] = frozenset()
    ) -> None:
        self._rules = rules
        self.blocks: list[Block] = []
        self.headings: list[dict[str, object]] = []
        self.links: list[dict[str, object]] = []
        self.images: list[dict[str, object]] = []
        self._base = base_url
        self._host = host_of(base_url) if base_url else None
        self._closed = closed  # shortcode names closed somewhere in the document
        self.text: list[str] = []
        self.markdown: list[str] = []
        self.spaced = True  # the open run is empty or ends in white space
        self.path: list[Element] = []  # the elements that are open, the innermost last
        self.marks: dict[str, int] = {}  # emphasis that is open, so `<b><strong>` is marked once
        self.inline = 0  # inside emphasis or a link, whose content is one run
        self.verbatim = 0  # inside <pre>
        self.lines = 0  # inside a poem or an address: line breaks count
        self.href: str | None = None  # a link around whole blocks

    # -- blocks ---------------------------------------------------------------------------------

    def flush(self) -> None:
        """Close the open run of inline content into a paragraph."""
        if self.inline or self.verbatim:
            self._break_line()
            return
        if not self.markdown:
            return
        block = finished("".join(self.text), "".join(self.markdown))
        self.text, self.markdown, self.spaced = [], [], True
        if block is not None:
            if self.href and block.text:
                block = Block(block.text, link(block.markdown.replace("\n", " "), self.href))
            self.blocks.append(block)

    def _break_line(self) -> None:
        if self.markdown and self.text and not self.text[-1].endswith("\n"):
            self.text.append("\n")
            self.markdown.append("\n")
            self.spaced = not self.verbatim

    def flow(self, element: Element) -> None:
        """Walk an element's content into the open run and the list of blocks."""
        path = self.path
        path.append(element)
        if len(path) > MAX_DEPTH:
            self._flow_deep(element)
        else:
            if element.text:
                self.add(element.text)
            for child in element:
                self.visit(child)
                if child.tail:
                    self.add(child.tail)
        path.pop()

    def visit(self, child: Element) -> None:
        """Handle one child element: leave it out, hand it to its own rule, or flow through it."""
        tag = child.tag
        if tag.__class__ is not str or tag in DROPPED_TAGS:
            return
        if child.attrib and _is_furniture(child):
            return
        rule = self._rules.get(tag)
        if rule is not None and (not self.verbatim or tag == "br" or tag == "img"):
            rule(self, child)
        elif tag in BLOCK_TAGS:
            self.flush()
            self.flow(child)
            self.flush()
        else:
            self.flow(child)

    def _flow_deep(self, element: Element) -> None:
        """Flow without recursion, for nesting no author wrote: block boundaries and text only."""
        walk = etree.iterwalk(element, events=("start", "end"))
        for event, node in walk:
            named = isinstance(node.tag, str)
            if event == "start":
                if not named or (node is not element and node.tag in DROPPED_TAGS):
                    walk.skip_subtree()
                    continue
                if node.tag in BLOCK_TAGS:
                    self.flush()
                if node.text:
                    self.add(node.text)
            else:
                if named and node.tag in BLOCK_TAGS:
                    self.flush()
                if node is not element and node.tail:
                    self.add(node.tail)

    def contained(self, element: Element) -> list[Block]:
        """Walk an element into a list of blocks of its own."""
        self.flush()
        outer, self.blocks = self.blocks, []
        self.flow(element)
        self.flush()
        inner, self.blocks = self.blocks, outer
        return inner

    def captured(self, text: str) -> list[Block]:
        """Turn one loose text node into a list of blocks."""
        self.add(text)
        outer, self.blocks = self.blocks, []
        self.flush()
        inner, self.blocks = self.blocks, outer
        return inner

    def visited(self, child: Element) -> list[Block]:
        """Visit one child, by its own rule, into a list of blocks of its own."""
        self.flush()
        outer, self.blocks = self.blocks, []
        self.visit(child)
        self.flush()
        inner, self.blocks = self.blocks, outer
        return inner

    def is_kept(self, child: Element) -> bool:
        """Tell whether a child belongs to the content, for rules that look at their children themselves."""
        if child.tag.__class__ is not str or child.tag in DROPPED_TAGS:
            return False
        return not (child.attrib and _is_furniture(child))

    # -- inline content -------------------------------------------------------------------------

    def add(self, text: str) -> None:
        """Add a text node: white space collapsed, shortcodes removed, Markdown escaped, bare URLs linked."""
        if self.verbatim:
            self.text.append(text)
            self.markdown.append(text)
            self.spaced = False
            return
        if "[" in text:
            text = strip_shortcodes(text, self._closed)
        text = self._collapse(text)
        if not text:
            return
        self.text.append(text)
        if "://" in text or "www." in text:
            self._add_urls(text)
        else:
            self.markdown.append(escape_text(text))
        self.spaced = text[-1] == " " or text[-1] == "\n"

    def _collapse(self, text: str) -> str:
        if self.lines and "\n" in text:
            text = _LINE_ENDS.sub("\n", _BLANKS.sub(" ", text))
            return text.lstrip() if self.spaced else text
        text = collapsed(text)
        return text[1:] if self.spaced and text[:1] == " " else text

    def _add_urls(self, text: str) -> None:
        if self.marks.get("a"):
            self.markdown.append(escape_text(text))
            return
        markdown, found = autolinked(text)
        self.markdown.append(markdown)
        for url, shown in found:
            self.record_link(url, shown, None)

    # -- addresses ------------------------------------------------------------------------------

    def absolute(self, url: str) -> str:
        """Resolve against the document's address; an address no parser takes is kept as written."""
        if self._base is None or url[:8].lower() == "https://" or url[:7].lower() == "http://":
            return url
        try:
            if _PLAIN_PATH.fullmatch(url) and "/." not in url:  # most of a menu; urljoin takes everything to pieces
                return self._root + url
            return urljoin(self._base, url)
        except ValueError:
            return url

    @cached_property
    def _root(self) -> str:
        return urljoin(self._base or "", "/")[:-1]

    def record_link(self, url: str, text: str, rel: str | None) -> None:
        """Add an entry to `links`."""
        self.links.append(self.link_entry(url, text, rel))

    def link_entry(self, url: str, text: str, rel: str | None) -> dict[str, object]:
        """Make an entry for `links`; one without a host (`mailto:`) is internal only if it is relative."""
        host = host_of(url)
        internal = host == self._host if host else ":" not in url.split("/", 1)[0]
        return {"url": url, "text": text, "rel": rel or None, "is_internal": internal}


def is_tidy(text: str) -> bool:
    """Tell whether single spaces are all the white space there is; six plain looks cost less than one search."""
    return not (
        "  " in text or "\n" in text or "\t" in text or "\xa0" in text or "\r" in text or "\f" in text
    )  # fmt: skip


def collapsed(text: str) -> str:
    """Write every run of white space as one space; between ideographs a line break is none at all."""
    if is_tidy(text):
        return text
    if "\n" in text and not text.isascii():
        text = _CJK_BREAK.sub("", text)
    return _SPACES.sub(" ", text)


def finished(text: str, markdown: str) -> Block | None:
    """Make a block of a run of inline content that ends here; None if there is nothing in it."""
    text, markdown = text.strip(), markdown.strip()
    if not markdown:
        return None
    if "\n" in text:
        text = text.replace(" \n", "\n")
    if "  " in text:  # around a picture, which leaves nothing
        text = _BLANKS.sub(" ", text)
    return Block(text, escape_line_starts(markdown))


def _is_furniture(element: Element) -> bool:
    get: Callable[[str], str | None] = element.get
    names = get("class")
    if names and is_boilerplate_class(names):
        return True
    identifier = get("id")
    if identifier and is_boilerplate_id(identifier):
        return True
    style, hidden, role = get("style"), get("hidden"), get("role")
    if style or hidden is not None:
        return is_hidden(style, hidden, f"{names or ''} {identifier or ''} {role or ''}")
    return role in ("navigation", "search")


def joined_text(blocks: list[Block]) -> str:
    """The text of several blocks, blank lines between."""
    return "\n\n".join([block.text for block in blocks if block.text])


def joined_markdown(blocks: list[Block]) -> str:
    """The Markdown of several blocks, blank lines between."""
    return "\n\n".join([block.markdown for block in blocks])


def host_of(url: str) -> str | None:
    """The host of an absolute web address, lower case, without `www.`; None for anything else."""
    if url[:4].lower() != "http" and url[:2] != "//":
        return None
    parts = url.split("/", 3)
    return _host(parts[2]) if len(parts) > 2 else None


@lru_cache(4096)
def _host(authority: str) -> str | None:
    host = authority.rpartition("@")[2].partition("?")[0].partition("#")[0].lower()
    return host.removeprefix("www.") or None
