"""Plain paragraphs, headings and lists, read by pattern; what is not plain goes through the tree.

Most of what WordPress renders is a row of paragraphs, headings and lists with a few links and emphases in them. A
pattern reads such a block in a tenth of the time that parsing and walking it takes. Everything else, down to the first
doubtful sign, is left to the parser and the walker, block by block or for the whole rest, and what comes out is the
same either way (a test compares both on the recorded cases and on invented documents).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Final

from flows.extraction.blocks import list_block, write_heading
from flows.extraction.boilerplate import is_boilerplate_class, is_boilerplate_id, words
from flows.extraction.escaping import code_span, escape_text
from flows.extraction.inline import BACKLINKS, linked_up, marked_up
from flows.extraction.walker import Block, Walker, collapsed, finished, is_tidy

# A quoted `>` never matters: where it stands, the pattern fails and the parser takes over.
# (Ends are looked for as plain strings: a lazy pattern takes as long as everything else together.)
_START: Final = re.compile(r"\s*<(p|h[1-6]|ul|ol)((?: [^<>]*)?)>")
_ITEM: Final = re.compile(r"\s*<li((?: [^<>]*)?)>")
_PIECE: Final = re.compile(r"<(?:a ([^<>]*)>([^<>]*)</a>|(strong|em|b|i|code)>([^<>]*)</\3>|(br ?/?>))")
_STRIDE: Final = 6
_MARKS: Final = {"strong": "**", "b": "**", "em": "*", "i": "*"}
_HREF_ALONE: Final = re.compile(r'href="([^"]*)"')
_ATTRIBUTE: Final = re.compile(r'([a-z-]+)="([^"]*)"')
_ATTRIBUTES: Final = re.compile(r'(?:\s*[a-z-]+="[^"]*")*\s*')
_TELLING: Final = frozenset(("style", "hidden", "role"))  # what may hide an element
_CLASS_ALONE: Final = re.compile(r' class="([\w -]*)"')

_RAW_TEXT: Final = re.compile(r"<(?:xmp|plaintext)", re.I)
_TAG: Final = re.compile(r"([^<>]*)<(/?)([a-zA-Z][a-zA-Z0-9]*)([^<>]*)>")
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
    start = position = 0
    while position < len(html):
        block = _read(walker, html, position)
        if block is None:
            end = _balanced_end(html, position)
            if end is None:
                break
            position = end
            continue
        if start < position and not through_tree(html[start:position]):
            return False
        write, start = block
        write()
        position = start
    rest = html[start:]
    return not rest or rest.isspace() or through_tree(rest)


def _read(walker: Walker, html: str, position: int) -> tuple[Callable[[], None], int] | None:
    """Read the block at a place; return what writes it to the walker, and where it ends. None: it is not simple."""
    found = _START.match(html, position)
    if found is None or not _is_plain(found[2]):
        return None
    tag = found[1]
    closing = f"</{tag}>"
    end = html.find(closing, found.end())
    inner = html[found.end() : end]
    try:
        if end < 0:
            return None
        if tag == "p":
            run = _inline(walker, inner)
            return partial(_write, walker, run), end + len(closing)
        if tag[0] == "h":
            run = _inline(walker, inner)
            return partial(_write_heading, walker, run, int(tag[1])), end + len(closing)
        runs = [_inline(walker, item) for item in _items(inner)]
        return partial(_write_list, walker, runs, tag == "ol"), end + len(closing)
    except _NotSimpleError:
        return None


_Run = tuple[Block | None, list[tuple[str, str, str | None]]]
"""A run of inline content as a block (None: there is nothing in it), and the links in it: address, text, rel."""


def _taken(walker: Walker, run: _Run) -> list[Block]:
    block, links = run
    for url, text, rel in links:
        walker.record_link(url, text, rel)
    return [] if block is None else [block]


def _write(walker: Walker, run: _Run) -> None:
    walker.blocks += _taken(walker, run)


def _write_heading(walker: Walker, run: _Run, level: int) -> None:
    write_heading(walker, _taken(walker, run), level)


def _write_list(walker: Walker, runs: list[_Run], is_ordered: bool) -> None:
    items = [taken for taken in (_taken(walker, run) for run in runs) if taken]
    if items:
        previous = walker.blocks[-1].kind if walker.blocks else ""
        walker.blocks.append(list_block(list(enumerate(items, 1)), is_ordered, previous))


def _items(inner: str) -> list[str]:
    *items, rest = inner.split("</li>")
    starts = [_ITEM.match(item) for item in items]
    if rest and not rest.isspace():
        raise _NotSimpleError
    plain = [start for start in starts if start is not None and _is_plain(start[1])]
    if len(plain) < len(items):
        raise _NotSimpleError
    return [item[start.end() :] for item, start in zip(items, plain, strict=True)]


def _is_plain(attributes: str) -> bool:
    """Tell whether a start tag says nothing but a class that is no furniture's."""
    if not attributes:
        return True
    named = _CLASS_ALONE.fullmatch(attributes)
    return named is not None and not (named[1] and is_boilerplate_class(named[1]))


def _inline(walker: Walker, inner: str) -> _Run:
    """Read text, links, emphasis, code and line breaks that hold nothing but text themselves.

    Raises:
        _NotSimpleError: there is something else.
    """
    if "[" in inner:  # a shortcode, perhaps
        raise _NotSimpleError
    tidy = is_tidy(inner)
    if "<" not in inner:
        text = _text(inner, tidy, True)
        return finished(text, escape_text(text)), []
    pieces = _PIECE.split(inner)
    texts: list[str] = []
    markdown: list[str] = []
    links: list[tuple[str, str, str | None]] = []
    spaced = True
    for at in range(0, len(pieces), _STRIDE):
        text = pieces[at]
        if text:
            text = _text(text, tidy, spaced)
            if text:
                texts.append(text)
                markdown.append(escape_text(text))
                spaced = text[-1] == " "
        elif at and pieces[at - 5] is not None:
            after = pieces[at + 1] if at + 1 < len(pieces) else None
            if after is not None:  # two links side by side
                raise _NotSimpleError
        if at + 1 == len(pieces):
            break
        attributes, label, tag, content, line_break = pieces[at + 1 : at + _STRIDE]
        if label is not None:
            spaced = _link(walker, attributes, _text(label, tidy, spaced), texts, markdown, links)
        elif line_break is not None:
            if spaced and texts and texts[-1].endswith("\n"):  # two of them part paragraphs
                raise _NotSimpleError
            if markdown and not spaced:
                texts.append("\n")
                markdown.append("  \n")
                spaced = True
        elif tag == "code":
            code = " ".join(_text(content, True, False).split())
            if code:
                texts.append(code)
                markdown.append(code_span(code))
                spaced = False
        else:
            text = _text(content, tidy, spaced)
            if not text or text.isspace():
                raise _NotSimpleError
            texts.append(text)
            follower = _decoded(pieces[at + _STRIDE])[:1]
            marked_up(markdown, escape_text(text), _MARKS[tag], follower)
            spaced = text[-1] == " "
    return finished("".join(texts), "".join(markdown)), links


def _text(text: str, tidy: bool, spaced: bool) -> str:
    """Return a text node as the walker would add it.

    Raises:
        _NotSimpleError: a tag or a bare address is in it.
    """
    if "<" in text or ">" in text or "://" in text or "www." in text:
        raise _NotSimpleError
    text = _decoded(text)
    if not tidy:
        text = collapsed(text)
    return text[1:] if spaced and text[:1] == " " else text


def _decoded(text: str) -> str:
    if "&" not in text:
        return text
    signs = text.count("&")
    if signs == text.count("&amp;"):
        return text.replace("&amp;", "&")
    if signs != sum(map(text.count, _MARKUP)):
        raise _NotSimpleError
    for reference, sign in _MARKUP.items():  # the ampersand last
        text = text.replace(reference, sign)
    return text


def _link(
    walker: Walker, attributes: str, label: str, texts: list[str], markdown: list[str],
    links: list[tuple[str, str, str | None]],
) -> bool:  # fmt: skip
    """Add a link; return whether white space ends it."""
    href, rel = _target(attributes)
    shown = label.strip()
    if not shown or not href or href[:11].lower() == "javascript:" or (href[0] == "#" and shown in BACKLINKS):
        raise _NotSimpleError
    url = walker.absolute(href)
    if href[0] != "#":
        links.append((url, " ".join(shown.split()), rel))
    texts.append(label)
    linked_up(markdown, escape_text(label), url)
    return label[-1] == " "


def _target(attributes: str) -> tuple[str, str | None]:
    """Return a link's address and its rel.

    Raises:
        _NotSimpleError: the attributes say more than that.
    """
    alone = _HREF_ALONE.fullmatch(attributes)
    if alone is not None:
        return _decoded(alone[1]).strip(), None
    if not _ATTRIBUTES.fullmatch(attributes):
        raise _NotSimpleError
    found = _ATTRIBUTE.findall(attributes)
    given = dict(found)
    if len(given) != len(found) or not given.keys().isdisjoint(_TELLING):
        raise _NotSimpleError
    if is_boilerplate_class(given.get("class", "")) or is_boilerplate_id(given.get("id", "")):
        raise _NotSimpleError
    rel = given.get("rel")
    return _decoded(given.get("href", "")).strip(), None if rel is None else _decoded(rel)


def _balanced_end(html: str, position: int) -> int | None:
    """Return where the next element ends that holds all that it opens; None if that is not certain."""
    is_open: list[str] = []
    while True:
        found = _TAG.match(html, position)
        if found is None:
            return None
        _, slash, name, _ = found.groups()
        position = found.end()
        name = name.lower()
        if name in _VOID:
            pass
        elif name not in _BALANCED:
            return None
        elif not slash:
            is_open.append(name)
        elif not is_open or is_open.pop() != name:
            return None
        if not is_open:
            return position
