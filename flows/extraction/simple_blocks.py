"""Plain paragraphs, headings and lists, read by pattern; what is not plain goes through the tree.

Most of what WordPress renders is a row of paragraphs, headings and lists with a few links and emphases in them. A
fragment is cut at its tags once, what stands between them is decoded and escaped all together, and a plain block is read
from the pieces in a twentieth of the time that parsing and walking it takes. Everything else, down to the first doubtful
sign, is left to the parser and the walker, block by block or for the whole rest, and what comes out is the same either
way (a test compares both on the recorded cases and on invented documents).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from flows.extraction.blocks import list_block, write_heading
from flows.extraction.boilerplate import is_boilerplate_class, is_boilerplate_id, words
from flows.extraction.escaping import code_span, escape_texts
from flows.extraction.inline import BACKLINKS, linked_up, marked_up
from flows.extraction.walker import Block, Walker, collapsed, finished

# A quoted `>` never matters: where it stands, a piece of text begins with the rest of the tag and is doubtful.
_TAG: Final = re.compile("<([^<>]*)>")
# Stands between the texts of a fragment, none of which holds it.
_TEXT_END: Final = "\0"
_BLANK: Final = re.compile("\0[ \t\n\r\f\xa0]+(?=\0)")
# Half a tag, a shortcode perhaps, a bare address.
_DOUBTFUL: Final = ("<", ">", "[", "://", "www.")
_MARKS: Final = {"strong": "**", "b": "**", "em": "*", "i": "*"}
_BREAKS: Final = frozenset(("br", "br/", "br /"))
_BLOCK: Final = re.compile(r"(p|h[1-6]|ul|ol|li)((?: .*)?)", re.DOTALL)
_ATTRIBUTE: Final = re.compile(r'([a-z-]+)="([^"]*)"')
_ATTRIBUTES: Final = re.compile(r'(?:\s*[a-z-]+="[^"]*")*\s*')
_TELLING: Final = frozenset(("style", "hidden", "role"))  # what may hide an element
_CLASS_ALONE: Final = re.compile(r' class="([\w -]*)"')
_HREF: Final = 'a href="'

_RAW_TEXT: Final = re.compile(r"<(?:xmp|plaintext)", re.I)
_NAME: Final = re.compile(r"(/?)([a-zA-Z][a-zA-Z0-9]*)")
_VOID: Final = words("br img hr wbr source")
# Tags that leave nothing open behind a balanced end. Scripts, forms and the like are not for patterns.
_BALANCED: Final = words(
    "p div figure figcaption a em strong b i u s del ins small mark span sub sup code kbd abbr cite q time "
    "ul ol li dl dt dd blockquote pre table thead tbody tfoot tr th td caption h1 h2 h3 h4 h5 h6 "
    "section article aside header footer main details summary iframe picture video audio"
)

# None of these is markup when written out, so they can be replaced before anything is parsed.
_TYPOGRAPHIC: Final = {
    "&#8217;": "’", "&#8216;": "‘", "&#8220;": "“", "&#8221;": "”", "&#8211;": "–", "&#8212;": "—",
    "&#8230;": "…", "&#8243;": "″", "&#8242;": "′", "&#215;": "×", "&nbsp;": "\xa0", "&hellip;": "…",
}  # fmt: skip
_MARKUP: Final = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&#038;": "&", "&#38;": "&", "&amp;": "&"}


class _NotSimpleError(Exception):
    """A block has something in it that only the parser understands."""


def written_out(html: str) -> str:
    """Replace the references that WordPress makes of typographic signs by the signs."""
    if html.count("&") > html.count("&amp;") and not _RAW_TEXT.search(html):
        for reference, sign in _TYPOGRAPHIC.items():
            if reference in html:
                html = html.replace(reference, sign)
    return html


def walk_blocks(walker: Walker, html: str, through_tree: Callable[[str], bool]) -> bool:
    """Add a fragment's blocks to ``walker``; what is not simple goes ``through_tree``, which does the same.

    Returns:
        False if the parser could not hold some part: what the walker has so far is of no use then.
    """
    pieces = _Pieces(walker, html)
    start = place = 0
    while pieces.tags[place]:
        found = pieces.block(place)
        if found is None:
            end = pieces.balanced_end(place)
            if end is None:
                break
            place = end
            continue
        if start < place and not through_tree(pieces.html(start, place)):
            return False
        tag, blocks, links, start = found
        walker.links += links
        _write(walker, tag, blocks)
        place = start
    rest = pieces.html(start)
    return not rest or rest.isspace() or through_tree(rest)


def _write(walker: Walker, tag: str, blocks: list[Block]) -> None:
    if tag == "p":
        walker.blocks += blocks
    elif tag[0] == "h":
        write_heading(walker, blocks, int(tag[1]))
    elif blocks:
        previous = walker.blocks[-1].kind if walker.blocks else ""
        items = [(number, [block]) for number, block in enumerate(blocks, 1)]
        walker.blocks.append(list_block(items, tag == "ol", previous))


_Found = tuple[str, list[Block], list[dict[str, object]], int]
"""A block: its tag, its runs of inline content as far as there is anything in them, their links, the place behind it."""


class _Pieces:
    """A fragment cut at its tags. At each place stands a text, maybe an empty one, and behind it a tag, "" at the end.

    ``raw`` holds the texts as they were written, ``texts`` as they are read, ``marked`` as Markdown has them.
    """

    def __init__(self, walker: Walker, html: str) -> None:
        cut = _TAG.split(html)
        # Behind an unclosed last tag is looked one further.
        self.walker, self.raw, self.tags = walker, cut[::2], [*cut[1::2], "", ""]
        # One piece of text costs hardly less than a whole post. The sign between them is in no text.
        whole = _TEXT_END.join(self.raw)
        self.doubtful: set[int] = set()
        for sign in _DOUBTFUL:
            if sign in whole:
                self.doubtful.update([place for place, text in enumerate(self.raw) if sign in text])
        if "&" in whole:
            whole = self._decoded(whole)
        whole = collapsed(_BLANK.sub(_TEXT_END + " ", whole))
        self.texts = whole.split(_TEXT_END)
        self.marked = escape_texts(self.texts)

    def _decoded(self, whole: str) -> str:
        decoded = _decoded(whole)
        if decoded is not None:
            return decoded
        texts = [_decoded(text) for text in self.raw]
        self.doubtful.update(n for n, text in enumerate(texts) if text is None)
        return _TEXT_END.join([text or "" for text in texts])

    def html(self, start: int, end: int | None = None) -> str:
        """Return the HTML from one place to another, or to its end."""
        last = len(self.raw) - 1
        written = "".join([f"{self.raw[n]}<{self.tags[n]}>" for n in range(start, last if end is None else end)])
        return written + self.raw[last] if end is None else written

    def block(self, place: int) -> _Found | None:
        """Read the block that begins at a place; None if it is not simple."""
        text, tag = self.texts[place], _plain_block(self.tags[place])
        if not tag or tag == "li" or not (text == " " or not text or text.isspace()):
            return None
        links: list[dict[str, object]] = []
        try:
            if tag[0] in "ph":
                run, end = self._run(place + 1, "/" + tag, links)
                runs = [] if run is None else [run]
            else:
                runs, end = self._items(place + 1, "/" + tag, links)
        except _NotSimpleError:
            return None
        if self.doubtful and not self.doubtful.isdisjoint(range(place, end)):
            return None
        return tag, runs, links, end

    def _items(self, place: int, closing: str, links: list[dict[str, object]]) -> tuple[list[Block], int]:
        runs: list[Block] = []
        while True:
            text, tag = self.texts[place], self.tags[place]
            if text and not text.isspace():
                raise _NotSimpleError
            if tag == closing:
                return runs, place + 1
            if _plain_block(tag) != "li":
                raise _NotSimpleError
            run, place = self._run(place + 1, "/li", links)
            if run is not None:
                runs.append(run)

    def _run(self, place: int, closing: str, links: list[dict[str, object]]) -> tuple[Block | None, int]:
        """Read text, links, emphasis, code and line breaks that hold nothing but text themselves.

        Returns:
            What it comes to, and the place behind the closing tag.

        Raises:
            _NotSimpleError: there is something else.
        """
        texts, marked, tags = self.texts, self.marked, self.tags
        if tags[place] == closing:
            return finished(texts[place], marked[place]), place + 1
        text: list[str] = []
        markdown: list[str] = []
        spaced, is_behind_link = True, False
        while True:
            piece, written, tag = texts[place], marked[place], tags[place]
            if piece:
                if spaced and piece[0] == " ":
                    piece, written = piece[1:], written[1:]
                if piece:
                    text.append(piece)
                    markdown.append(written)
                    spaced = piece[-1] == " "
            elif is_behind_link and tag[:2] == "a ":  # two links side by side
                raise _NotSimpleError
            place += 1
            if tag == closing:
                return finished("".join(text), "".join(markdown)), place
            if tag in _BREAKS:
                if spaced and text and text[-1].endswith("\n"):  # two of them part paragraphs
                    raise _NotSimpleError
                if markdown and not spaced:
                    text.append("\n")
                    markdown.append("  \n")
                    spaced = True
                is_behind_link = False
                continue
            is_behind_link = tag[:2] == "a "
            if tags[place] != ("/a" if is_behind_link else "/" + tag):
                raise _NotSimpleError
            piece, written = texts[place], marked[place]
            if tag == "code":
                spaced = not self._code(place, text, markdown) and spaced
                place += 1
                continue
            if not piece or piece.isspace():
                raise _NotSimpleError
            if spaced and piece[0] == " ":
                piece, written = piece[1:], written[1:]
            text.append(piece)
            if is_behind_link:
                self._link(tag, piece, written, markdown, links)
            elif tag in _MARKS:
                marked_up(markdown, written, _MARKS[tag], texts[place + 1][:1])
            else:
                raise _NotSimpleError
            spaced = piece[-1] == " "
            place += 1

    def _code(self, place: int, text: list[str], markdown: list[str]) -> bool:
        """Add a span of code, if there is anything in it."""
        code = " ".join((_decoded(self.raw[place]) or "").split())
        if code:
            text.append(code)
            markdown.append(code_span(code))
        return bool(code)

    def _link(self, tag: str, label: str, written: str, markdown: list[str], links: list[dict[str, object]]) -> None:
        href, rel = _target(tag)
        shown = label.strip()
        if not href or href[:11].lower() == "javascript:" or (href[0] == "#" and shown in BACKLINKS):
            raise _NotSimpleError
        url = self.walker.absolute(href)
        if href[0] != "#":
            links.append(self.walker.link_entry(url, shown if shown.isascii() else " ".join(shown.split()), rel))
        linked_up(markdown, written, url)

    def balanced_end(self, place: int) -> int | None:
        """Return the place behind the next element that holds all that it opens; None if that is not certain."""
        is_open: list[str] = []
        while True:
            found = _NAME.match(self.tags[place])
            text = self.raw[place]
            if found is None or "<" in text or ">" in text:
                return None
            place += 1
            slash, name = found[1], found[2].lower()
            if name in _VOID:
                pass
            elif name not in _BALANCED:
                return None
            elif not slash:
                is_open.append(name)
            elif not is_open or is_open.pop() != name:
                return None
            if not is_open:
                return place


@lru_cache(4096)
def _plain_block(tag: str) -> str:
    """Return the name of a block's start tag that says nothing but a class that is no furniture's; "" for another."""
    found = _BLOCK.fullmatch(tag)
    if found is None:
        return ""
    if found[2]:
        named = _CLASS_ALONE.fullmatch(found[2])
        if named is None or (named[1] and is_boilerplate_class(named[1])):
            return ""
    return found[1]


def _decoded(text: str) -> str | None:
    """Return a text with its references replaced; None if there are others than those of markup."""
    signs = text.count("&")
    if signs == text.count("&amp;"):
        return text.replace("&amp;", "&")
    if signs != sum(map(text.count, _MARKUP)):
        return None
    for reference, sign in _MARKUP.items():  # the ampersand last
        text = text.replace(reference, sign)
    return text


def _target(tag: str) -> tuple[str, str | None]:
    """Return a link's address and its rel.

    Raises:
        _NotSimpleError: the attributes say more than that.
    """
    if tag[:8] == _HREF and tag.find('"', 8) == len(tag) - 1:
        return _attribute(tag[8:-1]).strip(), None
    attributes = tag[2:]
    if not _ATTRIBUTES.fullmatch(attributes):
        raise _NotSimpleError
    found = _ATTRIBUTE.findall(attributes)
    given = dict(found)
    if len(given) != len(found) or not given.keys().isdisjoint(_TELLING):
        raise _NotSimpleError
    if is_boilerplate_class(given.get("class", "")) or is_boilerplate_id(given.get("id", "")):
        raise _NotSimpleError
    rel = given.get("rel")
    return _attribute(given.get("href", "")).strip(), None if rel is None else _attribute(rel)


def _attribute(value: str) -> str:
    if "&" not in value:
        return value
    decoded = _decoded(value)
    if decoded is None:
        raise _NotSimpleError
    return decoded
