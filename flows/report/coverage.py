"""Figures about sites: how much each holds, when it published, how completely it was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from flows.report.drawings import Bar, Bars, Cell, Figure, Matrix, Section, Strips, shades
from flows.report.periods import filled, name, suitable_unit
from flows.report.timelines import shown_range
from flows.report.wording import clean, counted, day, number

_STRIPS = 12
_STRIP_COLUMNS = 60
_MATRIX_SITES = 12
_MATRIX_STREAMS = 8
_UNKNOWN = "no run"
Row = dict[str, Any]
Read = Callable[..., list[Row]]


def sites(read: Read, rows: Sequence[Row]) -> Section | None:
    """Return the section on sites.

    Args:
        read: reads a figure by name.
        rows: the largest sites, as the figure ``sites`` has them.
    """
    if not rows:
        return None
    figures = (_sizes(rows), _completeness(read), _activity(read, rows))
    return Section("sites", "Sites", tuple(figure for figure in figures if figure is not None))


def _sizes(rows: Sequence[Row]) -> Figure:
    first = rows[0]
    count = first["all_sites"] - len(rows)
    rest = first["all_documents"] - sum(row["documents"] for row in rows)
    more = f"and {number(count)} more {'site' if count == 1 else 'sites'}"
    bars = [
        Bar(clean(row["site"]), row["documents"], number(row["documents"]),
            f"{clean(row['site'])}: {counted(row['documents'], 'document')}, {counted(row['words'], 'word')}")
        for row in rows
    ]  # fmt: skip
    table = [
        (clean(row["site"]), row["documents"], row["words"], row["deleted"], day(row["oldest"]), day(row["newest"]),
         day(row["last_run_at"]), row["completeness"] or _UNKNOWN)
        for row in rows
    ]  # fmt: skip
    if count:
        bars.append(Bar(more, rest, number(rest), "", is_remainder=True))
        table.append((more, rest, "", "", "", "", "", ""))
    if first["all_sites"] == 1:
        finding = f"One site, with {counted(first['documents'], 'document')}."
    else:
        largest = f"{clean(first['site'], 60)} is the largest, with {counted(first['documents'], 'document')}"
        finding = f"{counted(first['all_sites'], 'site')}; {largest}."
    columns = ("Site", "Documents", "Words", "Removed", "Oldest", "Newest", "Last run", "Last run was")
    return Figure("sizes", "Documents per site", finding, columns, tuple(table), Bars(tuple(bars)))


def _activity(read: Read, rows: Sequence[Row]) -> Figure | None:
    dated = [row for row in rows if row["newest"] is not None][:_STRIPS]
    (span,) = read("span")
    # One site alone is what the chart of all documents shows already.
    if len(dated) < 2:
        return None
    # The axis is the same as for all documents together, only coarser.
    first, last = shown_range(span)
    unit = suitable_unit(first, last, _STRIP_COLUMNS)
    counts: dict[str, dict[datetime, int]] = {row["site"]: {} for row in dated}
    for row in read("activity", unit=unit, sites=list(counts)):
        counts[row["site"]][row["period"]] = row["documents"]
    series = {site: filled(unit, found, first, last, _STRIP_COLUMNS) for site, found in counts.items()}
    labels = tuple(clean(site) for site in series)
    any_series = next(iter(series.values()))
    if len(any_series.starts) == 1:
        return None
    names = any_series.names()
    drawing = Strips(
        labels,
        tuple(shades(one.values) for one in series.values()),
        tuple(
            tuple(f"{label}, {when}: {counted(n, 'document')}" for when, n in zip(names, one.values, strict=True))
            for label, one in zip(labels, series.values(), strict=True)
        ),
        any_series.ticks,
    )
    stalest = min(dated, key=lambda row: (row["newest"], row["site"]))
    newest = max(dated, key=lambda row: (row["newest"], row["site"]))
    finding = (
        f"The newest document is of {day(newest['newest'])}, from {clean(newest['site'], 60)}."
        f" Silent for longest: {clean(stalest['site'], 60)}, since {day(stalest['newest'])}."
    )
    columns = ("Site", "Newest", *(name(unit, start) for start in any_series.starts))
    table: tuple[tuple[Cell, ...], ...] = tuple(
        (label, day(row["newest"]), *one.values) for label, row, one in zip(labels, dated, series.values(), strict=True)
    )
    scale = tuple(
        (f"heat-{shade}", words)
        for shade, words in ((1, f"few in {'an' if unit == 'hour' else 'a'} {unit}"), (5, "the site's own most"))
    )
    return Figure("activity", "When sites published", finding, columns, table, drawing, is_wide=True, legend=scale)


def _completeness(read: Read) -> Figure | None:
    outcomes = {row["completeness"]: row for row in read("completeness")}
    if not outcomes:
        return None
    rows = read("streams", most=_MATRIX_SITES)
    found = list(dict.fromkeys(row["site"] for row in rows))
    often = Counter(row["stream"] for row in rows)
    streams = sorted(often, key=lambda stream: (-often[stream], stream))
    chosen = streams[:_MATRIX_STREAMS]
    cells = {(row["site"], row["stream"]): row for row in rows}
    drawing = Matrix(
        tuple(clean(site) for site in found),
        tuple(clean(stream, 40) for stream in chosen),
        tuple(tuple(_state(cells.get((site, stream))) for stream in chosen) for site in found),
        tuple(tuple(_detail(site, stream, cells.get((site, stream))) for stream in chosen) for site in found),
    )
    table = tuple(
        (clean(row["site"]), clean(row["stream"], 40), row["completeness"], day(row["finished_at"]),
         row["fetched"] or 0, "" if row["expected"] is None else row["expected"], row["rejected"] or 0,
         clean(row["reason"]) if row["reason"] else "")
        for row in rows
    )  # fmt: skip
    columns = ("Site", "Stream", "Last run was", "Ended", "Read", "Source states", "Rejected", "Why")
    finding = _outcome(outcomes)
    left = rows[0]["all_sites"] - len(found)
    if left:
        finding += f" Shown: the {len(found)} sites that need a look first; {number(left)} more are not."
    if len(streams) > len(chosen):
        finding += f" {counted(len(streams) - len(chosen), 'rarer stream')} stand in the table only."
    legend = (("good", "complete"), ("warn", "partial"), ("bad", "blocked"))
    return Figure("completeness", "Last run of every stream", finding, columns, table, drawing, legend=legend)


def _outcome(outcomes: dict[str, Row]) -> str:
    total = sum(row["streams"] for row in outcomes.values())
    complete = outcomes.get("complete", {"streams": 0})["streams"]
    if complete == total:
        return f"The last run was complete for {'the only stream' if total == 1 else f'all {number(total)} streams'}."
    short = [f"{number(outcomes[state]['streams'])} {state}" for state in ("partial", "blocked") if state in outcomes]
    return f"The last run was complete for {number(complete)} of {counted(total, 'stream')}; {' and '.join(short)}."


def _state(row: Row | None) -> str:
    return "absent" if row is None else str(row["completeness"])


def _detail(site: str, stream: str, row: Row | None) -> str:
    where = f"{clean(site)}, {clean(stream, 40)}"
    if row is None:
        return f"{where}: never read"
    why = f": {clean(row['reason'])}" if row["reason"] else ""
    return f"{where}: {row['completeness']} on {day(row['finished_at'])}{why}"
