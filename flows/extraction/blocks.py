"""Rules for block elements: headings, quotations, code, figures, lists."""

from __future__ import annotations

import re
from typing import Final

from flows.extraction.escaping import code_block, escape_heading, escape_line_starts
from flows.extraction.walker import Block, Element, Rule, Walker, joined_text

_VERSE_END: Final = re.compile(r"(?<=[^\n ]) *+\n(?!\n)|(?<=\n ) *+\n(?!\n)")  # not at the end of a stanza
_CODE_LANGUAGE: Final = re.compile(r"(?:^|[\s;])(?:language-|lang-|lang:|brush:\s*)([\w+#.-]+)")


def heading(walker: Walker, element: Element) -> None:
    """A heading on one line, remembered with its level."""
    write_heading(walker, walker.contained(element), int(element.tag[1]))


def write_heading(walker: Walker, blocks: list[Block], level: int) -> None:
    """Write the blocks in a heading as one."""
    text = " ".join([block.text for block in blocks if block.text])
    markdown = " ".join([block.markdown for block in blocks])
    if not text:
        walker.blocks += blocks
        return
    if "\n" in markdown:
        markdown = markdown.replace("  \n", " ").replace("\n", " ")
    text = " ".join(text.split())
    walker.headings.append({"level": level, "text": text})
    walker.blocks.append(Block(text, f"{'#' * level} {escape_heading(markdown)}", "heading"))


def blockquote(walker: Walker, element: Element) -> None:
    """A quotation: marked in Markdown, plain paragraphs in the text."""
    blocks = walker.contained(element)
    if not blocks:
        return
    markdown = "\n\n".join(block.markdown for block in blocks)
    quoted = "\n".join("> " + line if line else ">" for line in markdown.split("\n"))
    walker.blocks.append(Block(joined_text(blocks), quoted, "quote"))


def preformatted(walker: Walker, element: Element) -> None:
    """Code as it stands, its language from the class; a poem (`wp-block-verse`) as lines."""
    names = element.get("class") or ""
    if "wp-block-verse" in names:
        walker.flush()
        walker.lines += 1
        walker.flow(element)
        walker.lines -= 1
        text = "".join(walker.text).strip()
        markdown = _VERSE_END.sub("  \n", escape_line_starts("".join(walker.markdown).strip()))
        walker.text, walker.markdown, walker.spaced = [], [], True
        if text:
            walker.blocks.append(Block(text, markdown))
        return
    walker.flush()
    walker.verbatim += 1
    walker.flow(element)
    walker.verbatim -= 1
    code = "".join(walker.text)
    walker.text, walker.markdown, walker.spaced = [], [], True
    code = code.replace("\r\n", "\n").removeprefix("\n").rstrip()
    if code.strip():
        walker.blocks.append(Block(code, code_block(code, _code_language(element)), "code"))


def figure(walker: Walker, element: Element) -> None:
    """A figure or a captioned image: the caption goes to its images too."""
    first = len(walker.images)
    walker.flush()
    walker.flow(element)
    walker.flush()
    _caption(walker, element, first)


def division(walker: Walker, element: Element) -> None:
    """`<div>`: a block; with the class of a captioned image, a figure."""
    first = len(walker.images)
    walker.flush()
    walker.flow(element)
    walker.flush()
    if len(walker.images) > first and "wp-caption" in (element.get("class") or ""):
        _caption(walker, element, first)


def _caption(walker: Walker, element: Element, first: int) -> None:
    if len(walker.images) == first:
        return
    found = element.find("figcaption")
    if found is None:
        found = element.find(".//*[@class='wp-caption-text']")
    if found is None:
        found = element.find(".//figcaption")
    caption = " ".join("".join(found.itertext()).split()) if found is not None else ""
    for entry in walker.images[first:]:
        if caption and entry["caption"] is None:
            entry["caption"] = caption


def rule(walker: Walker, _element: Element) -> None:
    """`<hr>`: a break in the text, a rule in Markdown."""
    walker.flush()
    if walker.blocks and walker.blocks[-1].kind != "rule":
        walker.blocks.append(Block("", "---", "rule"))


def form(walker: Walker, element: Element) -> None:
    """Forms are left out, unless one wraps the article (ASP.NET pages are one form)."""
    walker.flush()
    if len(element.findall(".//p")) > 3:
        walker.flow(element)
        walker.flush()


def _code_language(element: Element) -> str:
    for node in element.iter("pre", "code"):
        for name in ("data-lang", "data-language", "data-enlighter-language", "lang"):
            value = (node.get(name) or "").strip()
            if value and re.fullmatch(r"[\w+#.-]{1,30}", value):
                return value.lower()
        found = _CODE_LANGUAGE.search(node.get("class") or "")
        if found:
            return found.group(1).lower()
    return ""


def item_list(walker: Walker, element: Element) -> None:
    """`<ul>` and `<ol>`: one block, nested lists indented; start numbers and `value` are respected."""
    walker.flush()
    ordered = element.tag == "ol"
    step = -1 if ordered and element.get("reversed") is not None else 1
    number = _whole(element.get("start"), len(element.findall("li")) if step < 0 else 1)
    items: list[tuple[int, list[Block]]] = []
    if element.text and element.text.strip():
        items.append((number, walker.captured(element.text)))
    for child in element:
        tag = child.tag
        if walker.is_kept(child):
            if tag == "li":
                number = _whole(child.get("value"), number)
                found = walker.contained(child)
                if found:
                    items.append((number, found))
                    number += step
            else:  # a list straight inside a list, as old editors write it, continues the item before
                _continue_item(items, number, walker.visited(child))
        if child.tail and child.tail.strip():
            _continue_item(items, number, walker.captured(child.tail))
    if items:
        previous = walker.blocks[-1].kind if walker.blocks else ""
        walker.blocks.append(list_block(items, ordered, previous))


def _continue_item(items: list[tuple[int, list[Block]]], number: int, blocks: list[Block]) -> None:
    if not blocks:
        return
    if items:
        items[-1][1].extend(blocks)
    else:
        items.append((number, blocks))


def _whole(value: str | None, default: int) -> int:
    try:
        return max(0, min(int(value or default), 999_999_999))
    except ValueError:
        return default


def list_block(items: list[tuple[int, list[Block]]], ordered: bool, previous: str) -> Block:
    """Make one block of numbered items; ``previous`` is the kind of the block before."""
    # Two lists in a row would melt into one in Markdown: the second gets the other marker.
    kind = ("ol)" if previous == "ol" else "ol") if ordered else ("ul*" if previous == "ul" else "ul")
    tight = all([block.kind[:2] in ("ul", "ol") for _, blocks in items if len(blocks) > 1 for block in blocks[1:]])
    texts: list[str] = []
    marked: list[str] = []
    expected = None
    for number, blocks in items:
        if ordered and expected not in (None, number):  # only a list of its own shows a number out of turn
            kind = "ol" if kind == "ol)" else "ol)"
        expected = number + 1
        sign = f"{max(0, number)}{kind[2:] or '.'} " if ordered else (kind[2:] or "-") + " "
        if len(blocks) == 1 and not blocks[0].kind and "\n" not in blocks[0].markdown:  # nearly every item
            marked.append(sign + blocks[0].markdown)
            if blocks[0].text:
                texts.append((f"{number}. " if ordered else "- ") + blocks[0].text)
            continue
        indent = " " * len(sign)
        body = ("\n" if tight else "\n\n").join([block.markdown for block in blocks])
        marked.append(sign + body.replace("\n", "\n" + indent).replace("\n" + indent + "\n", "\n\n"))
        written = [block for block in blocks if block.text]
        if written:
            text = "\n".join([block.text for block in written])
            nested = written[0].kind[:2] in ("ul", "ol")
            lead = "  " if nested else (f"{number}. " if ordered else "- ")
            texts.append(lead + text.replace("\n", "\n  "))
    return Block("\n".join(texts), ("\n" if tight else "\n\n").join(marked), kind)


def definition_list(walker: Walker, element: Element) -> None:
    """`<dl>`: terms in bold, definitions as the paragraphs below."""
    first = len(walker.images)
    walker.flush()
    for child in element:
        if child.tag == "div" or not walker.is_kept(child):
            if child.tag == "div":
                definition_list(walker, child)
            continue
        blocks = walker.contained(child) if child.tag in ("dt", "dd") else walker.visited(child)
        if child.tag == "dt" and len(blocks) == 1 and blocks[0].text and not blocks[0].markdown.startswith("**"):
            blocks = [Block(blocks[0].text, f"**{blocks[0].markdown}**")]
        walker.blocks += blocks
    _caption(walker, element, first)


BLOCK_RULES: Final[dict[str, Rule]] = {
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), heading),
    **dict.fromkeys(("pre", "listing", "xmp"), preformatted),
    **dict.fromkeys(("ul", "ol", "menu", "dir"), item_list),
    "blockquote": blockquote, "dl": definition_list, "figure": figure, "div": division, "hr": rule,
    "form": form,
}  # fmt: skip
