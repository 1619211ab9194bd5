"""What a report consists of, before anything is drawn or written: tiles, figures and what their charts show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flows.report.periods import Tick

Ticks = Callable[[int], list[Tick]]
"""Returns labels for a horizontal axis, no more than asked for."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One horizontal bar: its label, length, the words at its end and those shown when pointed at."""

    label: str
    value: int
    shown: str
    detail: str
    is_remainder: bool = False


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars from the left, one below the other; ``is_titled`` puts long labels above instead of beside them."""

    rows: tuple[Bar, ...]
    is_titled: bool = False


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns side by side; ``details`` are the words shown when pointed at, ``peak`` those at the tallest."""

    values: tuple[int, ...]
    details: tuple[str, ...]
    ticks: Ticks
    peak: str


@dataclass(frozen=True, slots=True)
class Strips:
    """One strip of time per row, darker where more was counted; ``shades`` run from 0 (nothing) to 5."""

    labels: tuple[str, ...]
    shades: tuple[tuple[int, ...], ...]
    details: tuple[tuple[str, ...], ...]
    ticks: Ticks


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows against columns; each cell is complete, partial, blocked or absent, and has words for when pointed at."""

    labels: tuple[str, ...]
    headings: tuple[str, ...]
    states: tuple[tuple[str, ...], ...]
    details: tuple[tuple[str, ...], ...]


def shades(values: Sequence[int]) -> tuple[int, ...]:
    """Return for each value a shade from 0 (nothing) to 5 (the most among them)."""
    most = max(values, default=0)
    return tuple(-(-value * 5 // most) if value > 0 else 0 for value in values)


Drawing = Bars | Columns | Strips | Matrix


@dataclass(frozen=True, slots=True)
class Link:
    """A cell that leads somewhere."""

    text: str
    url: str


Cell = str | int | Link


@dataclass(frozen=True, slots=True)
class Figure:
    """One chart with what it says, in words and as a table."""

    name: str
    title: str
    finding: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    drawing: Drawing
    is_wide: bool = False
    legend: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """Figures under one heading; ``text`` stands where there are none, or before them."""

    name: str
    title: str
    figures: tuple[Figure, ...]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Tile:
    """One headline number."""

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that one page says."""

    title: str
    lead: str
    tiles: tuple[Tile, ...]
    sections: tuple[Section, ...]
