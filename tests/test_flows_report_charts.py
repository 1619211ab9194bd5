"""What the report draws: periods and axes, charts that Vega-Lite allows, figures that are all shown."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest

from flows.report import charts, periods
from flows.report.drawings import Bar, Bars, Columns, Matrix, Strips, shades
from warehouse.report_figures import GATHERED, figures

ROOT = Path(__file__).resolve().parents[1]


def test_periods_are_cut_as_sql_cuts_them() -> None:
    random, moments = Random(3), []
    for _ in range(300):
        moments.append(datetime(1000, 1, 1) + timedelta(seconds=random.randrange(8_900 * 365 * 86_400)))
    with duckdb.connect() as connection:
        for unit in periods.UNITS:
            sql = f"SELECT date_trunc('{unit}', m)::TIMESTAMP FROM (SELECT unnest($m::TIMESTAMP[]) AS m)"
            expected = [found for (found,) in connection.execute(sql, {"m": moments}).fetchall()]
            assert [periods.floor(unit, moment) for moment in moments] == expected, unit
            for start in expected:
                assert periods.floor(unit, periods.following(unit, start) - timedelta(seconds=1)) == start


@pytest.mark.parametrize("days", [0, 1, 3, 40, 200, 1000, 4000, 12_000, 60_000, 290_000])
def test_an_axis_has_few_columns_and_labels_apart(days: int) -> None:
    first = datetime(1203, 11, 30, 17, 5)
    last = first + timedelta(days=days)
    unit = periods.suitable_unit(first, last, 160)
    series = periods.filled(unit, {}, first, last, 160)
    assert 1 <= len(series.values) <= 160
    for room in (1, 2, 5, 18):
        ticks = series.ticks(room)
        assert 1 <= len(ticks) <= max(room, 1)
        places = [at for at, _ in ticks]
        assert places == sorted(set(places)) and places[-1] < len(series.values)
        gaps = [after - before for before, after in zip(places, places[1:], strict=False)]
        assert not gaps or min(gaps) * 2.2 >= max(gaps), (unit, ticks)


@pytest.mark.parametrize("drawing", [
    Bars((Bar("a", 3, "3", "a: 3"), Bar("b", 0, "0", "b: 0"), Bar("more", 9, "9", "", is_remainder=True))),
    Bars((Bar("a", 0, "0", ""),), is_titled=True),
    Columns((0, 5, 2), ("x", "y", "z"), lambda room: [(0, "x"), (2, "z")][:room], "y: 5"),
    Strips(("a", "b"), (shades([1, 0]), shades([0, 900])), (("x", "y"), ("x", "y")), lambda room: [(0, "x")]),
    Matrix(("a",), ("posts", "pages"), (("complete", "absent"),), (("x", "y"),)),
])  # fmt: skip
def test_charts_are_what_vega_lite_allows(drawing: Any) -> None:
    for width in (charts.WIDE, charts.HALF, charts.NARROW):
        declared = charts.declared(drawing, width).to_dict()
        assert (declared.get("width"), declared["config"]["padding"]) == (width, 0)
    drawn = charts.pictures(drawing, is_wide=True, label='a "quoted" <label>')
    assert drawn.count("<svg") == 2 and "font-family" not in drawn and "#" not in drawn
    assert 'aria-label="a &quot;quoted&quot; &lt;label&gt;"' in drawn


def test_every_figure_states_its_grain_and_is_shown() -> None:
    code = "".join(path.read_text() for path in (ROOT / "flows" / "report").glob("*.py"))
    for name, sql in figures().items():
        comment = " ".join(line[3:] for line in sql.splitlines() if line.startswith("-- "))
        assert "One row" in comment, name
        assert f'"{name}"' in code or name in GATHERED, name


# -- what it must not do ------------------------------------------------------------------------------------


def test_other_commands_do_not_wait_for_charts() -> None:
    code = (
        "import sys, flows.cli, flows.commands; flows.cli.parser(); assert not {'altair', 'duckdb'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
