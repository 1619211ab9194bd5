"""Rules for inline elements: links, emphasis, code, images, players."""

from __future__ import annotations

import re
from typing import Final

from flows.extraction.blocks import preformatted
from flows.extraction.escaping import code_span, escape_text, image, link
from flows.extraction.walker import BLOCK_TAGS, Block, Element, Rule, Walker, host_of

BACKLINKS: Final = frozenset(("↩", "↩︎", "↩️", "⤴", "⏎", "↑", "^", "⬆", "⇧"))
_RAISED: Final = str.maketrans("0123456789+-−()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁽⁾ⁿ")
_RAISABLE: Final = re.compile(r"[0-9+\-−()n]{1,6}$")
_LONGEST_MARK: Final = 3
_LAZY_SOURCES: Final = (
    "data-src", "data-lazy-src", "data-orig-file", "data-original", "data-litespeed-src", "data-large-file",
    "data-srcset", "data-lazy-srcset", "srcset",
)  # fmt: skip
_MEDIA_FILE: Final = re.compile(r".\.(?:mp[34]|m4[av]|og[agv]|wav|flac|web[am]|mov|avi|pdf)$", re.I)
_CANDIDATE: Final = re.compile(r"([^\s,]\S*[^\s,]|[^\s,])(?:\s+(\d+(?:\.\d+)?)[wxh])?\s*(?:,|$)")
_TRACKERS: Final = re.compile(
    r"googletagmanager|doubleclick|googlesyndication|facebook\.com/plugins|platform\.twitter\.com/widgets"
    r"|amazon-adsystem|recaptcha|about:blank|disqus",
    re.I,
)


def line_break(walker: Walker, _element: Element) -> None:
    """`<br>`: a new line in the text, a hard break in Markdown."""
    if walker.spaced and walker.text and walker.text[-1].endswith("\n") and not (walker.verbatim or walker.inline):
        walker.flush()  # two breaks in a row are how old editors wrote a paragraph
        return
    if (walker.markdown and not walker.spaced) or walker.verbatim:
        walker.text.append("\n")
        walker.markdown.append("\n" if walker.verbatim else "  \n")
        walker.spaced = True


def emphasis(walker: Walker, element: Element, mark: str) -> None:
    """Emphasis, with white space moved outside the marks and no mark where a renderer would show it."""
    if walker.marks.get(mark) or walker.verbatim or has_block(element):
        walker.flow(element)
        return
    outer, walker.markdown = walker.markdown, []
    walker.marks[mark] = 1
    walker.inline += 1
    walker.flow(element)
    walker.inline -= 1
    walker.marks[mark] = 0
    inner, walker.markdown = "".join(walker.markdown), outer
    marked_up(outer, inner, mark, (element.tail or "")[:1])


def marked_up(outer: list[str], inner: str, mark: str, follower: str) -> None:
    """Add a run between marks to ``outer``; ``follower`` is the character after it, or nothing."""
    core = inner.strip()
    if not core:
        outer.append(inner)
        return
    start = inner.index(core[0])
    before, after = inner[:start], inner[start + len(core) :]
    previous = outer[-1] if outer else ""
    if previous == mark and not before and len(outer) > 1:
        outer[-1] = core  # directly after the same emphasis: one pair of marks for both
        outer.append(mark)
    elif _flanks(before or previous[-1:], core, after or follower):
        outer += (before, mark, core, mark) if before else (mark, core, mark)
    else:
        outer += (before, core)
    if after:
        outer.append(after)


def anchor(walker: Walker, element: Element) -> None:
    """Write `<a>` as a link around inline content; around blocks each block carries the link."""
    href = (element.get("href") or "").strip()
    if not href or walker.marks.get("a") or href[:11].lower() == "javascript:":
        walker.flow(element)
        return
    url = walker.absolute(href)
    if has_block(element):
        _anchor_blocks(walker, element, url)
        return
    before = element.getprevious()
    if before is not None and before.tag == "a" and not before.tail and before.get("href") != href:
        walker.add(" ")  # two links side by side, kept apart by the style sheet only
    position, images, spaced = len(walker.text), len(walker.images), walker.spaced
    outer, walker.markdown = walker.markdown, []
    walker.marks["a"] = 1
    walker.inline += 1
    walker.flow(element)
    walker.inline -= 1
    walker.marks["a"] = 0
    inner, walker.markdown = "".join(walker.markdown), outer
    text = "".join(walker.text[position:]).strip()
    if text in BACKLINKS and href[0] == "#":
        del walker.text[position:]
        walker.spaced = spaced
        return
    if href[0] != "#" and (text or len(walker.images) > images):
        walker.record_link(url, " ".join(text.split()), element.get("rel"))
    if not inner.strip() or walker.verbatim:
        outer.append(inner)
        return
    linked_up(outer, inner, url)


def linked_up(outer: list[str], inner: str, url: str) -> None:
    """Add a run that is a link to ``outer``."""
    if outer and outer[-1].endswith("!"):
        outer[-1] = outer[-1][:-1] + "\\!"  # `!` before `[` would make an image of the link
    if inner[0] in " \n":
        outer.append(" ")
    outer.append(link(inner.strip().replace("  \n", " "), url))
    if inner[-1] in " \n":
        outer.append(" ")


def _anchor_blocks(walker: Walker, element: Element, url: str) -> None:
    walker.flush()
    first, walker.href = len(walker.blocks), url
    walker.flow(element)
    walker.flush()
    walker.href = None
    text = " ".join(block.text for block in walker.blocks[first:] if block.text)
    walker.record_link(url, " ".join(text.split()), element.get("rel"))


def code(walker: Walker, element: Element) -> None:
    """Inline code: verbatim but for collapsed white space; with line breaks inside it becomes a block."""
    if walker.verbatim:
        walker.flow(element)
        return
    if not walker.inline and (element.find(".//br") is not None or has_block(element)):
        preformatted(walker, element)
        return
    code = " ".join("".join(element.itertext()).split())
    if code:
        walker.text.append(code)
        walker.markdown.append(code_span(code))
        walker.spaced = False


def superscript(walker: Walker, element: Element) -> None:
    """Raise digits (`10⁶`), bracket footnote marks (`word[1]`), leave the rest (`1st`) as it is."""
    text = "".join(element.itertext()).strip()
    target = element.find(".//a[@href]")
    around = element.getparent()
    is_mark = len(text) <= _LONGEST_MARK and text.isalnum()
    if is_mark and around is not None and around.tag == "a" and (around.get("href") or "")[:1] == "#":
        walker.add(f"[{text}]")
    elif is_mark and target is not None and target.get("href").startswith("#"):
        walker.text.append(f"[{text}]")
        walker.markdown.append(link(f"\\[{text}\\]", walker.absolute(target.get("href"))))
        walker.spaced = False
    elif len(element) == 0 and _RAISABLE.match(text):
        walker.add(text.translate(_RAISED))
    else:
        walker.flow(element)


def reading(walker: Walker, element: Element) -> None:
    """`<rt>`: how the ruby before it is read, in parentheses."""
    text = " ".join("".join(element.itertext()).split())
    if text:
        walker.add(f"({text})")


def formula(walker: Walker, element: Element) -> None:
    """MathML: the TeX it was made from, else its pieces, kept apart."""
    source = element.get("alttext")
    for note in element.iter("annotation", "annotation-xml"):
        if "tex" in (note.get("encoding") or ""):
            source = source or note.text
    walker.add(source or " ".join(" ".join(element.itertext()).split()))


def quote_marks(walker: Walker, element: Element) -> None:
    """`<q>`: the quotation marks a browser would show."""
    walker.add("“")
    walker.flow(element)
    walker.add("”")


def picture(walker: Walker, element: Element) -> None:
    """`<img>`: an entry in `images` and an image in Markdown; emoji and formulas become text."""
    alt = (element.get("alt") or "").strip()
    names = element.get("class") or ""
    if alt and ("emoji" in names or "wp-smiley" in names or "latex" in names):
        walker.add(alt)
        return
    url = _image_source(element)
    if not url or (element.get("width") == "1" and element.get("height") == "1"):
        return
    url = walker.absolute(url)
    alt = " ".join(alt.split())
    walker.images.append({"url": url, "alt": alt or None, "caption": None})
    walker.markdown.append(image(alt, url))
    walker.spaced = False


def embed(walker: Walker, element: Element) -> None:
    """Players and frames: a link to what they show, in Markdown only, since a reader of text sees nothing."""
    _link_to_shown(walker, element)
    if element.tag == "embed":  # has no end tag, but libxml2 takes what follows for its content
        walker.flow(element)


def _link_to_shown(walker: Walker, element: Element) -> None:
    get = element.get
    url = get("src") or get("data-src") or get("data-lazy-src") or get("data-litespeed-src") or get("data") or ""
    if not url:
        source = element.find(".//source[@src]")
        url = source.get("src") if source is not None else ""
    if not url or url[:5] == "data:" or _TRACKERS.search(url) or "wp-embedded-content" in (get("class") or ""):
        return
    url = walker.absolute(url.strip())
    title = " ".join((get("title") or "").split())
    walker.flush()
    walker.record_link(url, title, None)
    walker.blocks.append(
        Block("", link(escape_text(title or _file_name(url) or host_of(url) or "media"), url), "embed")
    )


def _file_name(url: str) -> str:
    name = url.split("?", 1)[0].rpartition("/")[2]
    return name if _MEDIA_FILE.search(name) else ""


def button(walker: Walker, element: Element) -> None:
    """Buttons are left out, unless they are the question of an accordion or open something."""
    parent = element.getparent()
    if (
        element.get("aria-expanded") is not None
        or element.get("aria-controls") is not None
        or "accordion" in (element.get("class") or "")
        or (parent is not None and str(parent.tag) in ("h1", "h2", "h3", "h4", "h5", "h6", "summary"))
    ):
        walker.flow(element)


def has_block(element: Element) -> bool:
    """Tell whether an inline element wraps block elements (`<a><h3>…</h3></a>`)."""
    if len(element) == 0:
        return False
    return any(node.tag in BLOCK_TAGS for node in element.iterdescendants() if node.tag.__class__ is str)


def _flanks(before: str, core: str, after: str) -> bool:
    """Tell whether CommonMark will read marks here: punctuation inside needs a boundary outside."""
    opens = core[0].isalnum() or not before[-1:] or not before[-1:].isalnum()
    closes = core[-1].isalnum() or not after[:1] or not after[:1].isalnum()
    return opens and closes


def _image_source(element: Element) -> str:
    source = (element.get("src") or "").strip()
    lazy = "" if source and source[:5] != "data:" and "lazy" not in (element.get("class") or "") else "lazy"
    if lazy:
        for name in _LAZY_SOURCES:
            value = (element.get(name) or "").strip()
            if value and value[:5] != "data:":
                return _largest(value) if name.endswith("srcset") else value
    return "" if source[:5] == "data:" else source


def _largest(candidates: str) -> str:
    """The widest or densest picture of a `srcset`."""
    best, best_size = "", -1.0
    for url, size in _CANDIDATE.findall(candidates):
        if float(size or 1) > best_size:
            best, best_size = url, float(size or 1)
    return best


def _emphasis(mark: str) -> Rule:
    return lambda walker, element: emphasis(walker, element, mark)


INLINE_RULES: Final[dict[str, Rule]] = {
    "a": anchor, "br": line_break, "sup": superscript, "q": quote_marks, "button": button, "rt": reading, "math": formula,
    "img": picture, "amp-img": picture,
    **dict.fromkeys(("code", "kbd", "samp", "tt"), code),
    **dict.fromkeys(("strong", "b"), _emphasis("**")),
    **dict.fromkeys(("em", "i", "cite", "dfn", "var"), _emphasis("*")),
    **dict.fromkeys(("del", "s", "strike"), _emphasis("~~")),
    **dict.fromkeys(("iframe", "video", "audio", "embed", "object", "amp-iframe", "amp-youtube"), embed),
}  # fmt: skip
