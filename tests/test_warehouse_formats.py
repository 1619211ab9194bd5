"""Every output format, over a real result of a real connection."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from test_warehouse_query import PEAK

from schemas.errors import UsageError
from warehouse.formats import FORMATS, format_of, save, write
from warehouse.query import Result
from warehouse.tabular import text_width

Ask = Callable[[str], Result]


@pytest.fixture
def ask() -> Ask:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")

    def run(sql: str) -> Result:
        description = connection.execute(sql).description
        return Result(connection, sql, tuple(c[0] for c in description), tuple(str(c[1]) for c in description))

    return run


def text(result: Result, format: str, *, is_spreadsheet_safe: bool = False, width: int | None = None) -> str:
    out = io.BytesIO()
    write(result, format, out, is_spreadsheet_safe=is_spreadsheet_safe, width=width)
    return out.getvalue().decode()


VALUES = """
    SELECT TIMESTAMPTZ '2026-04-11 02:13:05+00' AS at, TIMESTAMP '2026-04-11 02:13:05.5' AS local,
    DATE '2026-04-11' AS day,
    1.5::DECIMAL(10, 2) AS price, 170141183460469231731687303715884105727::HUGEINT AS big,
    'nan'::DOUBLE AS nan,
    'inf'::FLOAT AS inf, true AS yes, NULL AS nothing, '' AS empty, '\\xAA\\x00'::BLOB AS blob,
    [{'a': 1, 'at': TIMESTAMPTZ '2026-04-11 02:13:05+00'}, NULL] AS nested, MAP {'k': [1.0::DOUBLE]} AS map,
    MAP {1: 'x'} AS numbered, '{"j": [1, null]}'::JSON AS json, INTERVAL '90 minutes' AS span,
    '00000000-0000-0000-0000-000000000001'::UUID AS uuid, 'é "q" 中' AS text
"""


def test_jsonl_keeps_what_is_nested(ask: Ask) -> None:
    found = json.loads(text(ask(VALUES), "jsonl"))
    assert found == {
        "at": "2026-04-11T02:13:05Z",
        "local": "2026-04-11T02:13:05.500000",
        "day": "2026-04-11",
        "price": 1.5,
        "big": 170141183460469231731687303715884105727,
        "nan": None,
        "inf": None,
        "yes": True,
        "nothing": None,
        "empty": "",
        "blob": "qgA=",
        "nested": [{"a": 1, "at": "2026-04-11T02:13:05Z"}, None],
        "map": {"k": [1.0]},
        "numbered": {"1": "x"},
        "json": {"j": [1, None]},
        "span": "5400 s",
        "uuid": "00000000-0000-0000-0000-000000000001",
        "text": 'é "q" 中',
    }


def test_json_is_an_array_of_the_same(ask: Ask) -> None:
    lines = text(ask("FROM range(600)"), "jsonl").splitlines()
    assert json.loads(text(ask("FROM range(600)"), "json")) == [json.loads(line) for line in lines]
    assert text(ask("FROM range(0)"), "json") == "[]\n"
    assert text(ask("FROM range(0)"), "jsonl") == ""


def test_equal_names_stay_apart(ask: Ask) -> None:
    assert json.loads(text(ask("SELECT 1 AS a, 2 AS a, 3 AS a_1"), "jsonl")) == {"a": 1, "a_2": 2, "a_1": 3}


def test_years_python_does_not_know_come_out_as_text(ask: Ask) -> None:
    sql = "SELECT '20000-01-01 00:00:00+00'::TIMESTAMPTZ AS a, DATE '0044-03-15 (BC)' AS b, 'infinity'::DATE c"
    for format in FORMATS[:-1]:
        assert "20000-01-01" in text(ask(sql), format)


def test_csv_is_read_back_whole(ask: Ask) -> None:
    sql = "FROM (VALUES ('a,b', 'say \"x\"', 'two\nlines', ' pad ', '', NULL, 1.5::DOUBLE, true, [1, 2]))"
    content = text(ask(sql), "csv")
    header, row = csv.reader(io.StringIO(content, newline=""))
    assert header == [f"col{i}" for i in range(9)]
    assert row == ["a,b", 'say "x"', "two\nlines", " pad ", "", "", "1.5", "true", "[1, 2]"]
    assert content.endswith("\r\n") and ',"",,' in content  # empty text and null differ


def test_csv_of_moments_and_nested(ask: Ask) -> None:
    row = next(csv.DictReader(io.StringIO(text(ask(VALUES), "csv"), newline="")))
    assert row["at"] == "2026-04-11T02:13:05Z"
    assert json.loads(row["nested"]) == [{"a": 1, "at": "2026-04-11T02:13:05Z"}, None]
    assert row["blob"] == "qgA=" and row["price"] == "1.50" and row["text"] == 'é "q" 中'


def test_spreadsheet_safe_csv_defuses_text_and_leaves_numbers(ask: Ask) -> None:
    sql = """FROM (VALUES ('=1+1', '+1', '-1', '@x', '\t=x', '\r=x', 'a=b', -1, -1.5::DOUBLE, '=1+1,"x"'))"""
    safe = next(iter(list(csv.reader(io.StringIO(text(ask(sql), "csv", is_spreadsheet_safe=True), newline="")))[1:]))
    assert safe == ["'=1+1", "'+1", "'-1", "'@x", "'\t=x", "'\r=x", "a=b", "-1", "-1.5", '\'=1+1,"x"']
    faithful = list(csv.reader(io.StringIO(text(ask(sql), "csv"), newline="")))[1]
    assert faithful[:2] == ["=1+1", "+1"]


def test_markdown_cells_hold_their_text(ask: Ask) -> None:
    sql = r"""
        SELECT 'a|b' AS x, 'c\|d' AS y, 'two' || chr(10) || 'lines' AS z, '<b>&amp; [l](u) `c`' AS html,
        7 AS n, NULL AS o
    """
    head, rule, row = text(ask(sql), "markdown").splitlines()
    assert head == "| x | y | z | html | n | o |"
    assert rule == "| --- | --- | --- | --- | ---: | --- |" or rule == "| --- | --- | --- | --- | ---: | ---: |"
    assert row == r"| a\|b | c\\\|d | two lines | \<b>&amp;amp; \[l](u) \`c\` | 7 |  |"


# -- table --------------------------------------------------------------------------------------------------


def test_table_looks_like_this(ask: Ask) -> None:
    sql = """
        SELECT * FROM (VALUES
            ('中文标题', 7, TIMESTAMPTZ '2026-04-11 02:13:59+00', true, ['a', NULL]),
            ('Rémi', 12345, NULL, false, [])
        ) AS t(title, words, published_at, ok, terms)
    """
    assert text(ask(sql), "table").splitlines() == [
        "title     words  published_at      ok     terms",
        "────────  ─────  ────────────────  ─────  ─────────",
        "中文标题      7  2026-04-11 02:13  true   [a, null]",
        "Rémi      12345                    false  []",
        "2 rows",
    ]


def test_style_dims_nulls_and_bolds_heads(ask: Ask) -> None:
    out = io.StringIO()
    write(ask("SELECT NULL::VARCHAR AS a"), "table", out, width=80, style=True)
    assert "\x1b[1ma   \x1b[0m" in out.getvalue() and "\x1b[2mNULL\x1b[0m" in out.getvalue()


@pytest.mark.parametrize("width", [10, 20, 40, 80, 200])
def test_no_line_is_wider_than_the_terminal(ask: Ask, width: int) -> None:
    sql = """
        SELECT repeat('word ', 50) AS long, repeat('中', 90) AS wide, 123456789 AS n,
        repeat('👩‍👩‍👧 ', 30) AS family,
        repeat('e' || chr(769), 100) AS combining, now() AS at, {'a': repeat('x', 99)} AS nested
    """
    head, rule, *rows, footer = text(ask(sql), "table", width=width).splitlines()
    assert all(text_width(line) <= width for line in (head, rule, *rows))
    assert ("of 7 columns fit" in footer) == (text_width(head) < 60 or width < 100)


def test_text_gives_way_but_numbers_and_dates_do_not(ask: Ask) -> None:
    sql = "SELECT repeat('x', 99) AS t, 123456789012 AS n, TIMESTAMP '2026-04-11 02:13:00' AS at"
    row = text(ask(sql), "table", width=60).splitlines()[2]
    assert row == "x" * 27 + "…  123456789012  2026-04-11 02:13"


def test_without_a_terminal_cells_are_bounded(ask: Ask) -> None:
    assert text(ask("SELECT repeat('x', 1000000) AS t"), "table").splitlines()[2] == "x" * 59 + "…"


@pytest.mark.parametrize(
    "evil",
    ["\x1b[2J", "\x1b]0;t\x07", "\r\n", "\x9b31m", "\x08\x08", "\u2028", "\u202e", "\t", "\x7f", "\x00"],
)
@pytest.mark.parametrize("format", ["table", "markdown"])
def test_data_cannot_drive_the_terminal(ask: Ask, evil: str, format: str) -> None:
    spelled = " || ".join(f"chr({ord(letter)})" for letter in evil)
    quoted = "".join(letter for letter in evil if letter != "\x00").replace('"', '""')
    sql = f"SELECT 'a' || {spelled} || 'b' AS \"h{quoted}\", [{spelled}] AS nested"
    shown = text(ask(sql), format)
    assert not set(shown) - {"\n"} & {letter for letter in evil if not letter.isprintable()}
    assert shown.count("\n") == (4 if format == "table" else 3)


@pytest.mark.parametrize(
    ("shown", "columns"),
    [("abc", 3), ("中文", 4), ("ｆ", 2), ("é", 1), ("e\u0301", 1), ("😀", 2),
     ("👩\u200d👩\u200d👧", 2), ("👍🏽", 2),
     ("❤\ufe0f", 2), ("🇩🇪", 2), ("한글", 4), ("ก็", 1), ("\u200b", 0), ("", 0)],
)  # fmt: skip
def test_width_is_what_a_terminal_takes(shown: str, columns: int) -> None:
    assert text_width(shown) == columns


def test_table_shows_a_thousand_rows_and_counts_the_rest(ask: Ask) -> None:
    out = io.StringIO()
    assert write(ask("FROM range(12345)"), "table", out) == 12345
    lines = out.getvalue().splitlines()
    assert len(lines) == 1003
    assert lines[-1].startswith("1,000 of 12,345 rows, 11,345 more are not shown")
    assert text(ask("FROM range(10000000000)"), "table").splitlines()[-1].startswith("1,000 of more than 100,000 rows")
    assert text(ask("FROM range(0)"), "table").splitlines()[-1] == "0 rows"
    assert text(ask("SELECT 1"), "table").splitlines()[-1] == "1 row"


def test_a_plan_keeps_its_drawing(ask: Ask) -> None:
    assert len(text(ask("EXPLAIN SELECT * FROM range(3)"), "table").splitlines()) > 3


@pytest.mark.parametrize("format", FORMATS)
def test_memory_does_not_grow_with_the_result(format: str, tmp_path: Path) -> None:
    """Twenty times the rows, 300 MB of text, take about the memory that a few take."""
    code = (
        "import sys, duckdb\n"
        "from warehouse.formats import save, write\n"
        "from warehouse.query import Result\n"
        f"{PEAK}"
        "connection = duckdb.connect()\n"
        "sql = f\"SELECT i, repeat('x', 2000) || i AS t, [i] AS l FROM range({sys.argv[2]}) r(i)\"\n"
        "connection.execute('SET enable_progress_bar = false')\n"
        "connection.execute('SET threads = 1')\n"
        "connection.execute(sql)\n"
        "result = Result(connection, sql, ('i', 't', 'l'), ('BIGINT', 'VARCHAR', 'BIGINT[]'))\n"
        "save(result, sys.argv[1], sys.argv[3])\n"
        "print(peak())\n"
    )
    few, many = (
        int(subprocess.run([sys.executable, "-c", code, format, rows, str(tmp_path / "out")],
            capture_output=True, text=True, check=True).stdout)
        for rows in ("7500", "150000")
    )  # fmt: skip
    assert many - few < 100, f"{few} MB, then {many} MB"


# -- files --------------------------------------------------------------------------------------------------


def test_parquet_keeps_types_and_is_zstd(ask: Ask, tmp_path: Path) -> None:
    sql = "SELECT i AS a, i AS a, [{'b': i}] AS c, now() AS at, sum(i) OVER () AS s FROM range(5000) t(i)"
    assert save(ask(sql), "parquet", str(tmp_path / "x.parquet")) == 5000
    file = pq.ParquetFile(tmp_path / "x.parquet")
    assert file.schema_arrow.names == ["a", "a_1", "c", "at", "s"]
    assert str(file.schema_arrow.field("at").type) == "timestamp[us, tz=UTC]"
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    assert file.read().column("c").to_pylist()[-1] == [{"b": 4999}]
    assert save(ask("SELECT 1 AS a WHERE false"), "parquet", str(tmp_path / "x.parquet")) == 0
    assert pq.read_table(tmp_path / "x.parquet").num_rows == 0


def test_parquet_tells_what_it_cannot_hold(ask: Ask, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Cast the column"):
        save(ask("SELECT INTERVAL 1 DAY AS a"), "parquet", str(tmp_path / "x.parquet"))
    assert list(tmp_path.iterdir()) == []


def test_parquet_needs_a_file(ask: Ask) -> None:
    with pytest.raises(UsageError, match="-o FILE"):
        write(ask("SELECT 1"), "parquet", io.BytesIO())


def test_an_unknown_format_is_refused(ask: Ask) -> None:
    with pytest.raises(UsageError, match="table, csv"):
        write(ask("SELECT 1"), "xml", io.BytesIO())


def test_a_file_is_replaced_whole_or_not_at_all(ask: Ask, tmp_path: Path) -> None:
    target = tmp_path / "x.csv"
    target.write_text("old")
    with pytest.raises(duckdb.Error):
        ask("SELECT x")
    failing = ask("SELECT CASE WHEN i = 4000000 THEN error('late') ELSE i END FROM range(4000001) t(i)")
    with pytest.raises(UsageError, match="late"):
        save(failing, "csv", str(target))
    assert target.read_text() == "old"
    assert save(ask("SELECT 1 AS a"), "csv", str(target)) == 1
    assert target.read_bytes() == b"a\r\n1\r\n"
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]
    umask = os.umask(0)
    os.umask(umask)
    assert target.stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_link_keeps_pointing_and_a_pipe_stays_a_pipe(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.csv").symlink_to(tmp_path / "real" / "x.csv")
    save(ask("SELECT 1 AS a"), "csv", str(tmp_path / "link.csv"))
    assert (tmp_path / "link.csv").is_symlink() and (tmp_path / "real" / "x.csv").is_file()
    save(ask("SELECT 1 AS a"), "csv", "/dev/null")
    assert not Path("/dev/null").is_file()


@pytest.mark.parametrize(
    ("output", "words"),
    [("none/x.csv", "no folder"), (".", "folder"), ("lake/x.csv", "inside"), ("in/x.csv", "inside")],
)
def test_a_place_that_cannot_be_is_refused(ask: Ask, tmp_path: Path, output: str, words: str) -> None:
    (tmp_path / "lake").mkdir()
    (tmp_path / "in").symlink_to(tmp_path / "lake")
    with pytest.raises(UsageError, match=words):
        save(ask("SELECT 1"), "csv", str(tmp_path / output), lake_root=str(tmp_path / "lake"))
    assert list((tmp_path / "lake").iterdir()) == []


def test_text_reaches_a_stream_whose_locale_lacks_it(ask: Ask) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    stream.write("before\n")
    write(ask("SELECT '中' AS a"), "csv", stream)
    stream.flush()
    assert raw.getvalue() == "before\na\r\n中\r\n".encode()


def test_a_broken_pipe_reaches_the_caller(ask: Ask) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb", buffering=0) as out, pytest.raises(BrokenPipeError):
        write(ask("FROM range(100000)"), "csv", out)


@pytest.mark.parametrize(
    ("name", "format"),
    [("a.CSV", "csv"), ("a.md", "markdown"), ("a.ndjson", "jsonl"), ("a", "csv"), ("a.parquet", "parquet")],
)
def test_a_name_tells_its_format(name: str, format: str) -> None:
    assert format_of(name) == format
