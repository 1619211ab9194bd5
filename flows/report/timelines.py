"""Figures over time: what was published when, and what was found removed when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from flows.report.drawings import Columns, Figure, Section
from flows.report.periods import Series, filled, name, outside, suitable_unit, trimmed
from flows.report.wording import counted, number

MOST_COLUMNS = 160
_MANY = 200
_IN = {"hour": "in the hour of ", "day": "on ", "week": "in the ", "decade": "in the "}
Row = dict[str, Any]
Read = Callable[..., list[Row]]


def publishing(read: Read, totals: Row) -> Section:
    """Return the section on publishing over time."""
    title = "Published over time"
    if not totals["documents"]:
        return Section("time", title, (), "The lake holds no documents yet. presslake ingest brings some in.")
    (span,) = read("span")
    if not span["documents"]:
        return Section("time", title, (), "No document has a publication date.")
    first, last = shown_range(span)
    unit = suitable_unit(first, last, MOST_COLUMNS)
    rows = read("publishing", unit=unit)
    series = filled(unit, {row["period"]: row["documents"] for row in rows}, first, last, MOST_COLUMNS)
    words = {row["period"]: row["words"] for row in rows}
    before, after = outside({row["period"]: row["documents"] for row in rows}, series.starts)
    notes = [
        f"{counted(count, 'document')} {rest} not shown."
        for count, rest in (
            (totals["undated"], "without a date " + ("is" if totals["undated"] == 1 else "are")),
            (before, f"from before {name(unit, series.starts[0])} " + ("is" if before == 1 else "are")),
            (after, f"from after {name(unit, series.starts[-1])} " + ("is" if after == 1 else "are")),
        )
        if count
    ]
    table = tuple(
        (label, value, words.get(start, 0))
        for label, value, start in zip(series.names(), series.values, series.starts, strict=True)
    )
    finding = " ".join([_finding(series, "published"), *notes])
    columns = (unit.capitalize(), "Documents", "Words")
    figure = Figure("publishing", f"Documents per {unit}", finding, columns, table, columns_of(series), True)
    return Section("time", title, (figure,))


def removals(read: Read) -> Figure | None:
    """Return the figure of documents found removed; None if none were."""
    (span,) = read("removal_span")
    if not span["documents"]:
        return None
    unit = suitable_unit(span["oldest"], span["newest"], 60)
    counts = {row["period"]: row["documents"] for row in read("removals", unit=unit)}
    series = filled(unit, counts, span["oldest"], span["newest"], 60)
    table = tuple(zip(series.names(), series.values, strict=True))
    finding = _finding(series, "found deleted or unpublished") + " Their text stays in the history."
    columns = (unit.capitalize(), "Documents")
    return Figure("removals", f"Removals found per {unit}", finding, columns, table, columns_of(series))


def shown_range(span: Row) -> tuple[datetime, datetime]:
    """Return the range of an axis: everything, but of many documents a few far-off ones do not stretch it."""
    if span["documents"] < _MANY:
        return span["oldest"], span["newest"]
    return trimmed(span["oldest"], span["newest"], span["early"], span["late"])


def columns_of(series: Series) -> Columns:
    """Return the columns of a series, the tallest one named."""
    names = series.names()
    details = tuple(f"{label}: {counted(value, 'document')}" for label, value in zip(names, series.values, strict=True))
    at = _highest(series.values)
    # Where none stands out, none is named.
    peak = f"{names[at]}: {number(series.values[at])}" if series.values[at] > 1 else ""
    return Columns(series.values, details, series.ticks, peak)


def _finding(series: Series, what: str) -> str:
    total, names = sum(series.values), series.names()
    at = _highest(series.values)
    if len(series.values) == 1:
        return f"{counted(total, 'document')} {what}, all in the same {series.unit}: {names[0]}."
    when = f"{_IN.get(series.unit, 'in ')}{names[at]}"
    peak = f", the most, {number(series.values[at])}, {when}" if series.values[at] > 1 else ""
    idle = sum(value == 0 for value in series.values)
    quiet = f" Nothing in {counted(idle, series.unit)} of {number(len(series.values))}." if idle else ""
    return f"{counted(total, 'document')} {what}{peak}.{quiet}"


def _highest(values: Sequence[int]) -> int:
    return max(range(len(values)), key=lambda at: (values[at], -at))
