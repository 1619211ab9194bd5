"""The report as one HTML page that stands alone: no script, no font, no image, no request.

Charts are inline SVG, so they need no script to be drawn, follow dark and light by the page's own style, print,
and zoom. The Content-Security-Policy allows the one style sheet, by its hash, and nothing else: even if a value
out of the lake got past the escaping, it could not run or fetch.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template

from flows.report.charts import pictures
from flows.report.drawings import Cell, Figure, Link, Report, Section, Tile
from flows.report.wording import number
from schemas.errors import UsageError
from warehouse.formats import destination, replacing
from warehouse.query import connect, interruptible


def write_report(lake: str, output: str) -> int:
    """Write the page about a lake; return its size in bytes.

    Args:
        lake: root of the lake, whose catalog is read.
        output: the file, which appears whole or not at all.

    Raises:
        UsageError: nothing was published yet, or ``output`` cannot be there.
        LakeError: the lake cannot be read or the disk failed.
    """
    from flows.report.figures import report

    # Before the work, so that a wrong path is told at once.
    if destination(output, lake).is_dir():
        raise UsageError(f"Cannot write {output}: it is a folder.", remedy="Name a file.")
    with connect(lake) as connection:
        found = interruptible(connection, lambda: report(connection))
    page = html(found).encode("utf-8")
    with replacing(output, lake_root=lake) as file:
        file.write(page)
    return len(page)


def html(report: Report) -> str:
    """Return the page."""
    style = _shared("style.css")
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    sections = [section for section in report.sections if section.figures or section.text]
    links = "".join(f'<li><a href="#{section.name}">{escape(section.title)}</a></li>' for section in sections)
    return Template(_shared("template.html")).substitute(
        title=escape(report.title), lead=escape(report.lead), style=style, digest=digest, links=links,
        tiles="".join(map(_tile, report.tiles)), sections="\n".join(map(_section, sections)),
    )  # fmt: skip


def _shared(name: str) -> str:
    # A browser hashes line ends as they are in the page.
    return (files("flows.report") / name).read_text("utf-8").replace("\r\n", "\n")


def _tile(tile: Tile) -> str:
    detail = f'<dd class="detail">{escape(tile.detail)}</dd>' if tile.detail else ""
    return f'<div class="tile"><dt>{escape(tile.label)}</dt><dd class="value">{escape(tile.value)}</dd>{detail}</div>'


def _section(section: Section) -> str:
    text = f'<p class="text">{escape(section.text)}</p>' if section.text else ""
    figures = "".join(map(_figure, section.figures))
    return (
        f'<section id="{section.name}" aria-labelledby="{section.name}-title">'
        f'<h2 id="{section.name}-title">{escape(section.title)}</h2>{text}<div class="figures">{figures}</div></section>'
    )


def _figure(figure: Figure) -> str:
    drawn = pictures(figure.drawing, is_wide=figure.is_wide, label=f"{figure.title}. {figure.finding}")
    name = f"{figure.name}-name"
    legend = "".join(f'<li class="key-{key}">{escape(words)}</li>' for key, words in figure.legend)
    return (
        f'<figure id="figure-{figure.name}" class="{"full" if figure.is_wide else "half"}" aria-labelledby="{name}">'
        f'<figcaption><h3 id="{name}">{escape(figure.title)}</h3><p>{escape(figure.finding)}</p></figcaption>'
        + (f'<ul class="legend" aria-label="Key">{legend}</ul>' if legend else "")
        + f'<div class="chart">{drawn}</div>'
        f'<details><summary>Table<span class="hidden">: {escape(figure.title)}</span></summary>'
        f'<div class="scroll" role="region" tabindex="0" aria-label="Table: {escape(figure.title)}">'
        f"{_table(figure.title, figure.columns, figure.rows)}</div></details></figure>"
    )


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    kinds = [_kind([row[at] for row in rows]) for at in range(len(columns))]
    heads = "".join(f'<th scope="col"{kind}>{escape(name)}</th>' for name, kind in zip(columns, kinds, strict=True))
    body = "".join(
        "<tr>"
        + f'<th scope="row">{_cell(row[0])}</th>'
        + "".join(f"<td{kind}>{_cell(cell)}</td>" for cell, kind in zip(row[1:], kinds[1:], strict=True))
        + "</tr>"
        for row in rows
    )
    caption = f'<caption class="hidden">{escape(title)}</caption>'
    return f"<table>{caption}<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _kind(cells: Sequence[Cell]) -> str:
    """Return the class of a column: ``n`` numbers, ``t`` text that needs room."""
    if all(isinstance(cell, int) or cell == "" for cell in cells):
        return ' class="n"'
    return ' class="t"' if any(isinstance(cell, str) and len(cell) > 40 for cell in cells) else ""


def _cell(cell: Cell) -> str:
    if isinstance(cell, Link):
        return f'<a href="{escape(cell.url)}" rel="noreferrer noopener"><bdi>{escape(cell.text)}</bdi></a>'
    if isinstance(cell, int):
        return number(cell)
    # What is written from right to left must not turn its neighbours round.
    return f"<bdi>{escape(cell)}</bdi>" if re.search(r"[^\x00-\x7f]", cell) else escape(cell)
