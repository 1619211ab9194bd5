"""Read-only SQL: what reads is answered, everything else is refused and leaves no trace."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from documents import table

from schemas.errors import LakeError, UsageError
from schemas.keys import site_bucket
from warehouse import catalog, commit
from warehouse.lake import Lake
from warehouse.query import connect, interruptible, run_query

# Not ru_maxrss, which a process takes over from the one that started it.
PEAK = "peak = lambda: int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) >> 10\n"


def document(number: int, **given: Any) -> dict[str, Any]:
    now = datetime(2026, 4, 11, 2, 13, tzinfo=UTC)
    site = given.pop("site", "example.com")
    return {
        "site_bucket": site_bucket(site), "site": site, "kind": "post", "id": str(number),
        "document_version": 1,
        "valid_from": now, "title": f"Title {number}", "text": "words", "markdown": "words", "source": "rest",
        "word_count": number, "published_at": now, "first_seen_at": now, "_run_id": "r", "_ingested_at": now,
        "_state_sha256": "0" * 64, **given,
    }  # fmt: skip


def five_documents(folder: Path) -> Lake:
    """A published lake of five documents."""
    made = Lake.open(str(folder / "lake"), create=True)
    commit.commit_documents(made, table(*(document(n) for n in range(1, 6))))
    catalog.publish(made)
    return made


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return five_documents(tmp_path_factory.mktemp("query"))


@pytest.fixture
def connection(lake: Lake) -> Any:
    with connect(lake) as opened:
        yield opened


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "dir"
        for path in sorted(folder.rglob("*"))
    }


READS = [
    "SELECT count(*) FROM documents",
    "FROM documents",
    "WITH a AS (SELECT 1) FROM a",
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT sum(n) FROM t",
    "VALUES (1), (2)",
    "TABLE documents",
    "(SELECT 1) UNION ALL (SELECT 2)",
    "EXPLAIN SELECT * FROM documents",
    "EXPLAIN ANALYZE SELECT count(*) FROM documents",
    "/* c */ EXPLAIN -- x\n (FORMAT json) SELECT 1",
    "EXPLAIN (SELECT 'é')",
    "DESCRIBE documents",
    "DESC SELECT 1",
    "SUMMARIZE SELECT id, word_count FROM documents",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "PIVOT (SELECT kind, site, id FROM documents) ON kind USING count(id)",
    "PIVOT (SELECT kind, site, id FROM documents) ON kind IN ('post') USING count(id)",
    "FROM (PIVOT (SELECT kind, site, id FROM documents) ON kind USING count(id))",
    "UNPIVOT (SELECT title, text FROM documents) ON title, text INTO NAME a VALUE b",
    "FROM search('title 3')",
    "SELECT count(*) FROM as_of(now())",
    "SELECT 1; SELECT 2;",
    "-- only a comment before\nSELECT 'copy (select 1) to x'",
    'SELECT 1 AS "insert", 2 AS "update"',
    "FROM glob(getvariable('lake_root') || '/*')",
]


@pytest.mark.parametrize("sql", READS)
def test_what_reads_is_answered(connection: Any, sql: str) -> None:
    result = run_query(connection, sql)
    assert sum(map(len, result.rows())) >= 1
    assert len(result.columns) == len(result.types) >= 1


def test_the_last_of_several_statements_answers(connection: Any) -> None:
    assert list(run_query(connection, "SELECT 1; SELECT 'two';").rows()) == [[("two",)]]


def test_moments_are_utc(connection: Any) -> None:
    sql = "SELECT published_at::VARCHAR FROM documents LIMIT 1"
    assert list(run_query(connection, sql).rows()) == [[("2026-04-11 02:13:00+00",)]]


def test_reading_changes_and_creates_nothing(lake: Lake) -> None:
    before = tree(Path(lake.root).parent)
    with connect(lake, memory_limit="64MB") as connection:
        for sql in ("FROM documents", "SELECT i, md5(i::VARCHAR) m FROM range(2000000) t(i) ORDER BY m"):
            assert sum(map(len, run_query(connection, sql).rows(10_000)))
        assert tree(Path(lake.root).parent) == before
    assert tree(Path(lake.root).parent) == before


def test_a_read_only_folder_is_enough(lake: Lake, tmp_path: Path) -> None:
    shutil.copytree(lake.root, tmp_path / "lake")
    for path in (tmp_path / "lake").rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    with connect(str(tmp_path / "lake")) as connection:
        assert list(run_query(connection, "SELECT count(*) FROM documents").rows()) == [[(5,)]]
    for path in (tmp_path / "lake").rglob("*"):
        path.chmod(0o755)


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT foo FROM documents", 'Referenced column "foo" not found'),
        ("SELECT wordcount FROM documents", "word_count"),
        ("FROM document", 'Did you mean "documents"?'),
        ("SELECT 'a'::INT", "Could not convert string 'a'"),
        ("SELECT sum(title) FROM documents", "No function matches"),
        ("SELECT * FROM documents WHERE id = $1", ""),
        ("SELECT 1; FROM nowhere; SELECT 2", "nowhere"),
        ("SELECT 'unterminated", "unterminated"),
        ("SELECT error('mine')", "mine"),
    ],
)
def test_wrong_sql_is_told_in_one_line_with_the_hint(connection: Any, sql: str, words: str) -> None:
    with pytest.raises(UsageError) as error:
        list(run_query(connection, sql).rows())
    assert words in str(error.value)
    assert "\n" not in str(error.value) and "LINE 1" not in str(error.value)


@pytest.mark.parametrize("sql", ["", "  ", ";", "-- nothing"])
def test_no_sql_is_told(connection: Any, sql: str) -> None:
    with pytest.raises(UsageError, match="no SQL"):
        run_query(connection, sql)


def test_deep_nesting_is_an_error_not_a_crash(connection: Any) -> None:
    with pytest.raises(UsageError):
        run_query(connection, "SELECT " + "(" * 5000 + "1" + ")" * 5000)


def test_without_a_catalog_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        connect(Lake(str(tmp_path)))
    assert "presslake publish" in error.value.remedy
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"\0" * 4096, b"\0" * 20_000])
def test_a_damaged_catalog_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "catalog.duckdb").write_bytes(content)
    before = tree(tmp_path)
    with pytest.raises(LakeError) as error:
        run_query(connect(str(tmp_path)), "FROM documents")
    assert "presslake publish" in error.value.remedy
    assert tree(tmp_path) == before


def test_a_vanished_file_is_the_lakes_fault(lake: Lake, tmp_path: Path) -> None:
    shutil.copytree(lake.root, tmp_path / "lake")
    shutil.rmtree(tmp_path / "lake" / "documents")
    with connect(str(tmp_path / "lake")) as connection, pytest.raises(LakeError) as error:
        list(run_query(connection, "FROM documents").rows())
    assert "presslake publish" in error.value.remedy


@pytest.mark.parametrize("name", ["moved", "with space", "it's", "ünï-中", "a[b]"])
def test_a_moved_lake_is_read_where_it_is(lake: Lake, tmp_path: Path, name: str) -> None:
    shutil.copytree(lake.root, tmp_path / name)
    os.symlink(tmp_path / name, tmp_path / "link")
    for root in (tmp_path / name, tmp_path / "link", tmp_path / name / "documents" / ".."):
        with connect(str(root)) as connection:
            assert list(run_query(connection, "SELECT count(*) FROM documents").rows()) == [[(5,)]]


def test_two_catalogs_may_be_open_at_once(lake: Lake) -> None:
    with connect(lake) as one, connect(lake, memory_limit="100MB") as other:
        first, second = (run_query(c, "SELECT count(*) FROM documents") for c in (one, other))
        assert list(first.rows()) == list(second.rows())


def test_rows_are_streamed() -> None:
    """A gigabyte of text passes through without staying."""
    code = (
        "import duckdb\n"
        "from warehouse.query import Result\n"
        "c = duckdb.connect()\n"
        "c.execute('SET enable_progress_bar = false')\n"
        "c.execute(\"SELECT repeat('x', 10000) || i FROM range(100000) t(i)\")\n"
        f"{PEAK}before = peak()\n"
        "assert sum(map(len, Result(c, '', ('a',), ('VARCHAR',)).rows())) == 100000\n"
        "print(peak() - before)\n"
    )
    grown = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert grown < 400, f"{grown} MB"


def test_the_first_answer_comes_quickly_and_imports_little(lake: Lake) -> None:
    code = (
        "import sys\n"
        "from warehouse.query import connect, run_query\n"
        "c = connect(sys.argv[1]); assert list(run_query(c, 'SELECT 1').rows()) == [[(1,)]]\n"
        "assert not {'pyarrow', 'deltalake', 'rich', 'prefect', 'pandas'} & set(sys.modules)\n"
    )
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code, lake.root], check=True)
        taken.append(time.perf_counter() - start)
    assert min(taken) < 1.0


@pytest.mark.parametrize(
    "endless", ["range(1000000000000) a, range(1000) b WHERE a.range % 7 = b.range", "range(100000000000)"]
)
def test_an_endless_query_stops_when_interrupted(lake: Lake, endless: str) -> None:
    """In a process of its own, as for a person: one that holds dozens of other engines' threads says little."""
    code = (
        "import os, signal, sys, threading, time\n"
        "from warehouse.query import connect, interruptible, run_query\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "connection = connect(sys.argv[1])\n"
        "threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
        "start = time.monotonic()\n"
        "try:\n"
        "    interruptible(connection, lambda: list(run_query(connection, sys.argv[2]).rows()))\n"
        "except KeyboardInterrupt:\n"
        "    print(time.monotonic() - start)\n"
        "print(interruptible(connection, lambda: list(run_query(connection, 'SELECT 1').rows())))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, lake.root, f"SELECT count(*) FROM {endless} GROUP BY ALL"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    seconds, answer = done.stdout.splitlines()
    assert float(seconds) < 10 and answer == "[[(1,)]]", done


def test_an_interrupt_while_the_thread_is_being_started_leaves_nothing_at_work(lake: Lake) -> None:
    """Python (before 3.14) would tear such a thread out of DuckDB at its end, and abort."""
    code = (
        "import sys, threading\n"
        "from warehouse.query import connect, interruptible, run_query\n"
        "class Started(threading.Thread):\n"
        "    def start(self):\n"
        "        super().start()\n"
        "        raise KeyboardInterrupt\n"
        "threading.Thread = Started\n"
        "connection = connect(sys.argv[1])\n"
        "try:\n"
        "    interruptible(connection, lambda: list(run_query(connection, sys.argv[2]).rows()))\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(130)\n"
    )
    endless = "SELECT count(*) FROM range(1000000000000) a, range(1000) b WHERE a.range % 7 = b.range"
    done = subprocess.run([sys.executable, "-c", code, lake.root, endless], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (130, "")


def test_a_result_left_behind_is_no_obstacle(connection: Any) -> None:
    next(run_query(connection, "FROM range(1000000)").rows())
    with run_query(connection, "FROM range(1000000)").batches() as reader:
        assert reader.read_next_batch().num_rows
    assert list(run_query(connection, "SELECT 1").rows()) == [[(1,)]]


def test_errors_come_out_of_the_thread(connection: Any) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        interruptible(connection, lambda: run_query(connection, "FROM nowhere"))
