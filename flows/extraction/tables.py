"""Rules for tables: data tables become rows, layout tables become what they lay out."""

from __future__ import annotations

import re

from flows.extraction.walker import Block, Element, Walker, joined_text

_SECTIONS = ("thead", "tbody", "tfoot")
_MAX_SPAN = 50
_MOST_PARAGRAPHS = 3
_HEADING_MARK = re.compile(r"^#{1,6} ")


def table(walker: Walker, element: Element) -> None:
    """`<table>`: text rows with ` | ` between cells, a GFM table in Markdown.

    A table of one column, or one that holds tables or code, is layout: its cells are walked as blocks.
    The first row is the header, as GFM demands one. Spanned cells are left empty.
    """
    walker.flush()
    rows, others = _rows(walker, element)
    cells = [[cell for cell in row if cell.tag in ("td", "th") and walker.is_kept(cell)] for row in rows]
    if max(map(len, cells), default=0) < 2 or _is_layout(element):
        _flow_cells(walker, element)
        return
    for other in others:
        walker.visit(other)
        walker.flush()
    grid = _grid(walker, cells)
    width = max(map(len, grid), default=0)
    if not width:
        return
    texts = [" | ".join(cell.text for cell in row).rstrip() for row in grid]
    lines = ["| " + " | ".join(_padded([cell.markdown for cell in row], width)) + " |" for row in grid]
    lines.insert(1, "| " + " | ".join(["---"] * width) + " |")
    walker.blocks.append(Block("\n".join(texts), "\n".join(lines), "table"))


def _rows(walker: Walker, element: Element) -> tuple[list[Element], list[Element]]:
    rows: list[Element] = []
    others: list[Element] = []
    for child in element:
        if not walker.is_kept(child):
            continue
        if child.tag == "tr":
            rows.append(child)
        elif child.tag in _SECTIONS:
            rows += [row for row in child if row.tag == "tr" and walker.is_kept(row)]
        else:
            others.append(child)
    return rows, others


def _is_layout(element: Element) -> bool:
    if any(node is not element for node in element.iter("table", "pre")):
        return True
    if element.get("role") in ("presentation", "none"):
        return True
    # A cell with a section of an article in it, as pages were laid out before style sheets.
    return element.find(".//h1") is not None or any(
        len(cell.findall(".//p")) > _MOST_PARAGRAPHS for cell in element.iter("td")
    )


def _flow_cells(walker: Walker, element: Element) -> None:
    walker.flow(element)
    walker.flush()


def _grid(walker: Walker, rows: list[list[Element]]) -> list[list[Block]]:
    empty = Block("", "")
    pending: dict[int, int] = {}  # column -> rows still covered by a cell above
    grid: list[list[Block]] = []
    for row in rows:
        line: list[Block] = []
        for cell in row:
            while pending.get(len(line), 0):
                pending[len(line)] -= 1
                line.append(empty)
            down = _span(cell.get("rowspan"))
            for step in range(_span(cell.get("colspan"))):
                if down > 1:
                    pending[len(line)] = down - 1
                line.append(_cell(walker, cell) if step == 0 else empty)
        while pending.get(len(line), 0):
            pending[len(line)] -= 1
            line.append(empty)
        if any(cell.markdown for cell in line):
            grid.append(line)
    return grid


def _cell(walker: Walker, cell: Element) -> Block:
    blocks = walker.contained(cell)
    text = " ".join(joined_text(blocks).split())
    parts = [_HEADING_MARK.sub("", block.markdown) for block in blocks]
    markdown = "<br>".join(re.sub(r" *\n+ *", "<br>", part) for part in parts)
    return Block(text, markdown.replace("|", "\\|"))


def _span(value: str | None) -> int:
    return min(int(value), _MAX_SPAN) if value and value.isdecimal() and int(value) > 0 else 1


def _padded(cells: list[str], width: int) -> list[str]:
    return cells + [""] * (width - len(cells))
