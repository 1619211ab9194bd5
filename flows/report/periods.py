"""Stretches of time that charts count by: the unit that suits a range, every period of it, and the labels below."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flows.report.wording import MONTHS, day

UNITS = ("hour", "day", "week", "month", "quarter", "year", "decade")
"""As DuckDB's ``date_trunc`` names them, finest first."""
_MONTHS_IN = {"month": 1, "quarter": 3, "year": 12, "decade": 120}
_SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
_LAST_YEAR = 9989

Tick = tuple[int, str]
"""Position of a period and the words below it."""


def floor(unit: str, moment: datetime) -> datetime:
    """Return the beginning of the period that holds a moment."""
    if unit == "hour":
        return moment.replace(minute=0, second=0, microsecond=0)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "day":
        return midnight
    if unit == "week":
        return midnight - timedelta(days=midnight.weekday())
    months = _MONTHS_IN[unit]
    whole = (moment.year * 12 + moment.month - 1) // months * months
    return datetime(whole // 12, whole % 12 + 1, 1)


def following(unit: str, period: datetime) -> datetime:
    """Return the beginning of the next period."""
    if unit in _SPANS:
        return period + _SPANS[unit]
    whole = period.year * 12 + period.month - 1 + _MONTHS_IN[unit]
    return datetime(whole // 12, whole % 12 + 1, 1)


def periods(unit: str, first: datetime, last: datetime, most: int) -> list[datetime]:
    """Return the beginnings of the periods from ``first`` to ``last``; no more than ``most`` and one."""
    found = [floor(unit, first)]
    while len(found) <= most and found[-1].year < _LAST_YEAR:
        period = following(unit, found[-1])
        if period > last:
            break
        found.append(period)
    return found


def suitable_unit(first: datetime, last: datetime, most: int) -> str:
    """Return the finest unit of which at most ``most`` periods cover the range."""
    for unit in UNITS[:-1]:
        if len(periods(unit, first, last, most)) <= most:
            return unit
    return UNITS[-1]


def name(unit: str, period: datetime) -> str:
    """Return a period in words, e.g. ``Mar 2024`` or ``week of 4 Mar 2024``."""
    month = f"{MONTHS[period.month - 1]} {period.year}"
    names = {
        "hour": f"{day(period)}, {period.hour:02}:00",
        "day": day(period),
        "week": f"week of {day(period)}",
        "month": month,
        "quarter": f"{MONTHS[period.month - 1]}–{MONTHS[(period.month + 1) % 12]} {period.year}",
        "year": str(period.year),
        "decade": f"{period.year}s",
    }
    return names[unit]


@dataclass(frozen=True, slots=True)
class Series:
    """What was counted per period, periods without anything included."""

    unit: str
    starts: tuple[datetime, ...]
    values: tuple[int, ...]

    def ticks(self, room: int) -> list[Tick]:
        """Return at most ``room`` labels, at the beginnings of hours, days, months or round years."""
        for key, label in _LEVELS:
            keys = [key(start) for start in self.starts]
            found = [at for at in range(1, len(keys)) if keys[at] != keys[at - 1]]
            # The first period begins something only by chance; of several labels it is then left out.
            if not found or key(self.starts[0] - _SPANS["hour"]) != keys[0]:
                found.insert(0, 0)
            if len(found) > 2 and found[0] == 0 and (found[1]) * 2 < found[2] - found[1]:
                # Too close to the next one.
                found.pop(0)
            if len(found) <= room:
                first, *rest = found
                return [
                    (first, _with_year(label(self.starts[first]), self.starts[first])),
                    *((at, label(self.starts[at])) for at in rest),
                ]
        return [(0, str(self.starts[0].year))]

    def names(self) -> list[str]:
        """Return every period in words."""
        return [name(self.unit, start) for start in self.starts]


def _day_and_month(moment: datetime) -> str:
    return f"{moment.day} {MONTHS[moment.month - 1]}"


def _month(moment: datetime) -> str:
    return f"{MONTHS[moment.month - 1]} {moment.year}" if moment.month == 1 else MONTHS[moment.month - 1]


def _with_year(label: str, moment: datetime) -> str:
    """Return the label of the first tick, which says what year it is."""
    return label if str(moment.year) in label or ":" in label else f"{label} {moment.year}"


def _years(count: int) -> tuple[Callable[[datetime], object], Callable[[datetime], str]]:
    return (lambda moment: moment.year // count), (lambda moment: str(moment.year))


_LEVELS: tuple[tuple[Callable[[datetime], object], Callable[[datetime], str]], ...] = (
    (lambda m: (m.date(), m.hour // 6), lambda m: f"{m.hour:02}:00" if m.hour else _day_and_month(m)),
    (lambda m: m.date(), _day_and_month),
    (lambda m: (m.isocalendar().year, m.isocalendar().week), _day_and_month),
    (lambda m: (m.year, m.month), _month),
    (lambda m: (m.year, (m.month - 1) // 3), _month),
    *(_years(count) for count in (1, 2, 5, 10, 20, 50, 100, 200, 500)),
)


def filled(unit: str, counts: Mapping[datetime, int], first: datetime, last: datetime, most: int) -> Series:
    """Return the series from ``first`` to ``last`` with nought where nothing was counted."""
    starts = periods(unit, first, last, most)
    return Series(unit, tuple(starts), tuple(counts.get(start, 0) for start in starts))


def trimmed(oldest: datetime, newest: datetime, early: datetime, late: datetime) -> tuple[datetime, datetime]:
    """Return the range to show: without the outermost half percent where that takes more than half of the axis."""
    if (late - early) * 2 < newest - oldest:
        return early, late
    return oldest, newest


def outside(counts: Mapping[datetime, int], shown: Sequence[datetime]) -> tuple[int, int]:
    """Return how many were counted before and after the periods shown."""
    before = sum(value for period, value in counts.items() if period < shown[0])
    after = sum(value for period, value in counts.items() if period > shown[-1])
    return before, after
