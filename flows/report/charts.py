"""Charts, declared in Altair and drawn to SVG by vl-convert. Nothing is fetched, and no font is measured.

Every position is given, not found out by measuring letters, so a chart comes out the same on every machine.
Colours are CSS variables of the page.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import altair as alt
import vl_convert
from altair.utils.schemapi import debug_mode

from flows.report.drawings import Bars, Columns, Drawing, Matrix, Strips
from flows.report.svg import tidy
from flows.report.wording import columns as text_columns
from flows.report.wording import cut, short_number

WIDE, HALF, NARROW = 1036, 488, 326
_LETTER = 6.9
_SHAPES = {"complete": "circle", "partial": "triangle-up", "blocked": "diamond", "absent": "circle"}
_TONES = {"complete": "good", "partial": "warn", "blocked": "bad", "absent": "line"}
Rows = list[dict[str, Any]]
Layers = alt.LayerChart | alt.FacetChart


def pictures(drawing: Drawing, *, is_wide: bool, label: str) -> str:
    """Return a chart as two inline SVGs, one for wide and one for narrow windows, of which the page shows one."""
    sizes = (("wide", WIDE if is_wide else HALF), ("narrow", NARROW))
    return "".join(tidy(_svg(drawing, width), kind=kind, label=label) for kind, width in sizes)


def _svg(drawing: Drawing, width: int) -> str:
    # Altair checks every part against its schema, which takes longer than drawing; the tests do it once.
    with debug_mode(False):
        chart = declared(drawing, width).to_dict(validate=False)
    # No address is allowed, should a specification ever come to name one.
    drawn: str = vl_convert.vegalite_to_svg(chart, allowed_base_urls=[])
    return drawn


def declared(drawing: Drawing, width: int) -> Layers:
    """Return the chart of a drawing as Altair has it, at a width in pixels."""
    chart: Layers = _CHARTS[type(drawing)](drawing, width)
    configured: Layers = chart.configure(
        autosize=alt.AutoSizeParams(type="none"), padding=0, background="transparent", view=alt.ViewConfig(stroke=None)
    )
    return configured


def _base(rows: Rows) -> alt.Chart:
    return alt.Chart({"values": rows})


def _text(rows: Rows, *, x: Any, y: Any, size: int = 12, tone: str = "muted", **mark: Any) -> alt.Chart:
    given: dict[str, Any] = {
        "align": "left",
        "baseline": "middle",
        "fontSize": size,
        "aria": False,
        "color": f"var(--{tone})",
    } | mark
    texts: alt.Chart = _base(rows).mark_text(**given).encode(x=x, y=y, text="text:N")
    return texts


def _at(field: str, channel: Any = alt.X) -> Any:
    """Encode a field that holds pixels."""
    return channel(f"{field}:Q", scale=None, axis=None)


def _scaled(field: str, most: float, start: float, end: float, channel: Any = alt.X) -> Any:
    scale = alt.Scale(domain=[0, most or 1], range=[start, end], nice=False)
    return channel(f"{field}:Q", scale=scale, axis=None)


# -- bars ---------------------------------------------------------------------------------------------------


def _bars(drawing: Bars, width: int) -> Layers:
    is_titled = drawing.is_titled or width == NARROW
    shown = max((text_columns(row.shown) for row in drawing.rows), default=0) * _LETTER + 14
    left = 0.0 if is_titled else min(max(text_columns(r.label) for r in drawing.rows) * _LETTER + 14, width * 0.46)
    step, thick = (42, 12) if is_titled else (28, 16)
    room = (width if is_titled else left - 12) / _LETTER
    top = max((row.value for row in drawing.rows if not row.is_remainder), default=0)
    rows = []
    for place, row in enumerate(drawing.rows):
        middle = place * step + (30 if is_titled else step / 2)
        rows.append({
            "value": 0 if row.is_remainder else row.value, "y": middle - thick / 2, "y2": middle + thick / 2,
            "middle": middle, "label": place * step + 12 if is_titled else middle, "text": row.shown,
            "name": cut(row.label, room), "detail": row.detail, "from": 0,
        })  # fmt: skip
    across = partial(_scaled, most=top, start=left, end=width - shown)
    names = [{"text": row["name"], "y": row["label"]} for row in rows]
    return alt.layer(
        _base([row for row in rows if row["value"]])
        .mark_rect(cornerRadius=2, color="var(--bar)")
        .encode(x=across("value"), x2="from:Q", y=_at("y", alt.Y), y2="y2:Q", description="detail:N"),
        _text(rows, x=across("value"), y=_at("middle", alt.Y), tone="ink", dx=7),
        _text(names, x=alt.value(0 if is_titled else left - 10), y=_at("y", alt.Y), tone="ink",
              align="left" if is_titled else "right"),
    ).properties(width=width, height=len(rows) * step + 2)  # fmt: skip


# -- columns ------------------------------------------------------------------------------------------------


def _steps(most: int) -> list[int]:
    """Return round numbers from nought up to the first that is not below ``most``; two to five of them."""
    size = 1
    while True:
        for factor in (1, 2, 5):
            step = size * factor
            if step * 4 >= most:
                return list(range(0, -(-max(most, 1) // step) * step + 1, step))
        size *= 10


def _columns(drawing: Columns, width: int) -> Layers:
    height = 190 if width == NARROW else 250
    above, below = height - 26, 30
    steps = _steps(max(drawing.values))
    left = max(len(short_number(step)) for step in steps) * _LETTER + 10
    pitch = min((width - left) / len(drawing.values), 64.0)
    gap = 0.0 if pitch < 2.5 else 1.0 if pitch < 8 else pitch * 0.16
    up = partial(_scaled, most=steps[-1], start=above, end=below, channel=alt.Y)
    rows = [
        {"value": value, "x": left + at * pitch + gap / 2, "x2": left + (at + 1) * pitch - gap / 2, "from": 0,
         "detail": drawing.details[at]}
        for at, value in enumerate(drawing.values)
    ]  # fmt: skip
    lines = [{"value": step, "text": short_number(step), "x": left, "x2": width} for step in steps]
    highest = max(range(len(rows)), key=lambda at: (drawing.values[at], -at))
    middle = left + (highest + 0.5) * pitch
    peak = [{"value": drawing.values[highest], "text": drawing.peak, "x": _inside(middle, drawing.peak, width, left)}]
    return alt.layer(
        _base(lines).mark_rule(aria=False, color="var(--line)").encode(x=_at("x"), x2="x2:Q", y=up("value")),
        _text(lines, x=alt.value(left - 8), y=up("value"), align="right"),
        _base([row for row in rows if row["value"]])
        .mark_rect(color="var(--bar)")
        .encode(x=_at("x"), x2="x2:Q", y=up("value"), y2="from:Q", description="detail:N"),
        _text(peak, x=_at("x"), y=up("value"), align="center", tone="ink", dy=-11),
        _axis(drawing.ticks, left, pitch, len(rows), width, height - 9),
    ).properties(width=width, height=height)


def _inside(middle: float, text: str, width: float, left: float = 0.0) -> float:
    """Return where the middle of a text can be without leaving the picture."""
    half = text_columns(text) * _LETTER / 2
    return max(left + half, min(middle, width - half)) if width - left > 2 * half else (left + width) / 2


def _axis(ticks: Any, left: float, pitch: float, count: int, width: int, y: float) -> alt.Chart:
    room = max(1, int(pitch * count / 52))
    found = ticks(room)
    labels = [{"text": text, "x": _inside(left + (at + 0.5) * pitch, text, width, left)} for at, text in found]
    return _text(labels, x=_at("x"), y=alt.value(y), align="center")


# -- strips and matrix --------------------------------------------------------------------------------------


def _strips(drawing: Strips, width: int) -> Layers:
    is_titled = width == NARROW
    left, step, thick = (0.0, 40, 15) if is_titled else (232.0, 27, 18)
    count = len(drawing.shades[0])
    pitch = (width - left) / count
    gap = 1.0 if pitch > 5 else 0.4
    cells, tracks, names = [], [], []
    for place, label in enumerate(drawing.labels):
        y = place * step + (22 if is_titled else 4)
        name = cut(label, (width if is_titled else left - 14) / _LETTER)
        names.append({"text": name, "y": place * step + 11 if is_titled else y + thick / 2})
        tracks.append({"x": left, "x2": width, "y": y, "y2": y + thick})
        cells += [
            {"x": left + at * pitch, "x2": left + (at + 1) * pitch - gap, "y": y, "y2": y + thick,
             "tone": f"var(--heat-{shade})", "detail": drawing.details[place][at]}
            for at, shade in enumerate(drawing.shades[place])
            if shade
        ]  # fmt: skip
    height = len(names) * step + 28
    area = {"x": _at("x"), "x2": "x2:Q", "y": _at("y", alt.Y), "y2": "y2:Q"}
    tone = alt.Color("tone:N", scale=None, legend=None)
    return alt.layer(
        _base(tracks).mark_rect(aria=False, color="var(--track)").encode(**area),
        _base(cells).mark_rect().encode(**area, color=tone, description="detail:N"),
        _text(names, x=alt.value(0 if is_titled else left - 12), y=_at("y", alt.Y), tone="ink",
              align="left" if is_titled else "right"),
        _axis(drawing.ticks, left, pitch, count, width, height - 10),
    ).properties(width=width, height=height)  # fmt: skip


def _matrix(drawing: Matrix, width: int) -> Layers:
    count, longest = (
        len(drawing.headings),
        min(max(text_columns(heading) for heading in drawing.headings), 14) * _LETTER,
    )
    is_titled = width == NARROW and count > 2
    left, step = (0.0, 42) if is_titled else (width - count * 60 if width == NARROW else min(216.0, width * 0.45), 28)
    pitch = (width - left) / count
    is_upright = pitch < longest + 8
    pitch = min(pitch, 44.0 if is_upright else longest + 24)
    above = longest + 10 if is_upright else 20
    cells, names = [], []
    for place, label in enumerate(drawing.labels):
        y = above + place * step + (30 if is_titled else 14)
        name = cut(label, (width if is_titled else left - 14) / _LETTER)
        names.append({"text": name, "y": y - 19 if is_titled else y})
        cells += [
            {"x": left + (at + 0.5) * pitch, "y": y, "state": state, "tone": f"var(--{_TONES[state]})",
             "detail": drawing.details[place][at], "size": 12 if state == "absent" else 110}
            for at, state in enumerate(drawing.states[place])
        ]  # fmt: skip
    headings = [{"text": cut(text, 14), "x": left + (at + 0.5) * pitch} for at, text in enumerate(drawing.headings)]
    shape = alt.Shape("state:N", scale=alt.Scale(domain=list(_SHAPES), range=list(_SHAPES.values())), legend=None)
    tone = alt.Color("tone:N", scale=None, legend=None)
    return alt.layer(
        _base(cells)
        .mark_point(filled=True, opacity=1, stroke=None)
        .encode(x=_at("x"), y=_at("y", alt.Y), shape=shape, color=tone, description="detail:N",
                size=alt.Size("size:Q", scale=None, legend=None)),
        _text(headings, x=_at("x"), y=alt.value(above - 4 if is_upright else 9), angle=270 if is_upright else 0,
              align="left" if is_upright else "center"),
        _text(names, x=alt.value(0 if is_titled else left - 12), y=_at("y", alt.Y), tone="ink",
              align="left" if is_titled else "right"),
    ).properties(width=width, height=above + len(names) * step + 4)  # fmt: skip


_CHARTS: dict[type, Any] = {Bars: _bars, Columns: _columns, Strips: _strips, Matrix: _matrix}
