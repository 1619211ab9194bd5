"""Figures about what happened to documents after they were published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from flows.report.drawings import Bar, Bars, Figure, Link, Section
from flows.report.timelines import removals
from flows.report.wording import clean, counted, day, number, share

SORTS = ("text", "title", "other")
"""The sorts of change that are edits, as the figure ``changes`` names them."""
_DELAYS = ("not at all", "within an hour", "within a day", "within a week", "within a month", "within a year", "later")
_NAMES = {
    "text": "text, not the title",
    "title": "title, perhaps text",
    "other": "terms, address or dates",
}
_MOST = 10
Row = dict[str, Any]
Read = Callable[..., list[Row]]


def edits(read: Read, changes: Sequence[Row]) -> Section:
    """Return the section on edits and removals.

    Args:
        read: reads a figure by name.
        changes: as the figure ``changes`` has them.
    """
    edited = [row for sort in SORTS for row in changes if row["sort"] == sort]
    figures = (
        _last_changes(read("last_changes")),
        _seen(edited) if edited else None,
        _most_edited(read("most_edited", most=_MOST)) if edited else None,
        removals(read),
    )
    text = "" if edited else "The lake has seen no edit yet: that takes a second run after an article was changed."
    return Section("edits", "Edits and removals", tuple(figure for figure in figures if figure is not None), text)


def _last_changes(rows: Sequence[Row]) -> Figure | None:
    if not rows:
        return None
    counts = {row["class"]: row["documents"] for row in rows}
    total = sum(counts.values())
    bars = tuple(
        Bar(label, counts.get(place, 0), share(counts.get(place, 0), total),
            f"{label}: {counted(counts.get(place, 0), 'document')}")
        for place, label in enumerate(_DELAYS)
    )  # fmt: skip
    changed = total - counts.get(0, 0)
    late = counts.get(5, 0) + counts.get(6, 0)
    finding = (
        f"Of {counted(total, 'document')} with both dates, {share(changed, total)} were changed after publication,"
        f" {share(late, total)} more than a month after."
    )
    table = tuple((bar.label, bar.value, bar.shown) for bar in bars)
    columns = ("Last changed after publication", "Documents", "Share")
    return Figure("last-changes", "Last change after publication", finding, columns, table, Bars(bars))


def _seen(rows: Sequence[Row]) -> Figure:
    total = sum(row["changes"] for row in rows)
    bars = tuple(
        Bar(_NAMES[row["sort"]], row["changes"], number(row["changes"]),
            f"{_NAMES[row['sort']]}: {counted(row['changes'], 'edit')} of {counted(row['documents'], 'document')}")
        for row in rows
    )  # fmt: skip
    finding = f"The lake saw {counted(total, 'edit')}; before and after of each are in document_changes."
    table = tuple((_NAMES[row["sort"]], row["changes"], row["documents"]) for row in rows)
    return Figure("changes", "What edits changed", finding, ("Changed", "Edits", "Documents"), table, Bars(bars))


def _most_edited(rows: Sequence[Row]) -> Figure | None:
    if not rows:
        return None
    bars = tuple(
        Bar(clean(row["title"]), row["edits"], number(row["edits"]),
            f"{clean(row['title'])} ({clean(row['site'])}): {counted(row['edits'], 'edit')}")
        for row in rows
    )  # fmt: skip
    table = tuple((_titled(row), clean(row["site"]), row["edits"], day(row["last_seen_at"])) for row in rows)
    first = rows[0]
    finding = (
        f"{counted(first['all_documents'], 'document')} {'was' if first['all_documents'] == 1 else 'were'} edited,"
        f" {'none' if first['edits'] == 1 else 'the most'} {_times(first['edits'])}."
    )
    columns = ("Document", "Site", "Edits", "Last seen")
    return Figure("most-edited", "Most edited", finding, columns, table, Bars(bars, is_titled=True))


def _times(edits: int) -> str:
    return "more than once" if edits == 1 else "twice" if edits == 2 else f"{number(edits)} times"


def _titled(row: Row) -> Link | str:
    """Return the title, linked where the address is one of the web and nothing else."""
    title, url = clean(row["title"]), row["url"] or ""
    try:
        is_web = urlsplit(url).scheme in ("http", "https") and len(url) <= 2000
    except ValueError:
        is_web = False
    return Link(title, url) if is_web and url.isprintable() else title
