"""The catalog: typed before the first load, swapped whole, movable, readable by every tool at any time."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from documents import row, table
from lakes import query

from schemas.errors import LakeError
from schemas.tables import TABLES
from warehouse.catalog import column_types, macros, publish, views
from warehouse.commit import commit_documents
from warehouse.lake import Lake


def test_views_exist_typed_and_empty_before_the_first_load(lake: Lake) -> None:
    publish(lake)
    for view in views():
        assert query(lake.root, f"SELECT * FROM {view.name}") == []
    types = {r["column_name"]: r["column_type"] for r in query(lake.root, "DESCRIBE documents")}
    for name, declared in column_types(TABLES["documents"]).items():
        assert types[name].lower().replace('"', "") == declared, name


def test_every_view_and_column_is_commented(lake: Lake) -> None:
    publish(lake)
    assert all(
        r["comment"]
        for r in query(lake.root, "SELECT comment FROM duckdb_views() WHERE schema_name = 'main' AND NOT internal")
    )
    bare = query(
        lake.root,
        "SELECT table_name, column_name FROM duckdb_columns() WHERE comment IS NULL AND schema_name = 'main'"
        " AND database_name = 'catalog' AND NOT internal",
    )
    assert bare == []


def test_only_the_newest_public_state_is_a_document(lake: Lake) -> None:
    gone = datetime.now(UTC)
    commit_documents(lake, table(row(1, "One."), row(2, "Two."), row(3, "Three.")))
    commit_documents(lake, table(row(1, "One, edited."), row(2, "Two.", deleted_at=gone)))
    publish(lake)
    assert query(lake.root, "SELECT id, text FROM documents ORDER BY id") == [
        {"id": "1", "text": "One, edited."}, {"id": "3", "text": "Three."},
    ]  # fmt: skip
    assert len(query(lake.root, "SELECT id FROM documents_all")) == 3
    versions = query(
        lake.root, "SELECT id, document_version, is_current, valid_to FROM document_versions ORDER BY 1, 2"
    )
    assert [(v["id"], v["document_version"], v["is_current"]) for v in versions] == [
        ("1", 1, False), ("1", 2, True), ("2", 1, False), ("2", 2, True), ("3", 1, True),
    ]  # fmt: skip
    changes = query(lake.root, "SELECT id, change, is_text_changed FROM document_changes ORDER BY id")
    assert changes == [
        {"id": "1", "change": "edited", "is_text_changed": True}, {"id": "2", "change": "deleted", "is_text_changed": False},
    ]  # fmt: skip


def test_as_of_tells_what_was_known_then(lake: Lake) -> None:
    commit_documents(lake, table(row(1, "One.")))
    between = datetime.now(UTC)
    commit_documents(lake, table(row(1, "One, edited."), row(2)))
    publish(lake)
    assert query(lake.root, "SELECT text FROM as_of(?)", [between]) == [{"text": "One."}]
    assert len(query(lake.root, "FROM as_of(now())")) == 2
    assert query(lake.root, "FROM as_of(?)", [between - timedelta(days=1)]) == []


def test_search_ranks_the_better_match_first(lake: Lake) -> None:
    commit_documents(
        lake,
        table(
            row(1, "The ferry leaves at noon. The ferry returns at four."),
            row(2, "A ferry was seen once among many other things."),
            row(3, "Nothing of the kind."), row(4, "Tea.", title="Ferry timetable"),
        ),
    )  # fmt: skip
    publish(lake)
    found = [r["id"] for r in query(lake.root, "SELECT id FROM search('ferry')")]
    assert found[:2] in (["4", "1"], ["1", "4"]) and found[2:] == ["2"]
    assert [r["id"] for r in query(lake.root, "SELECT id FROM search('FERRY noon')")] == ["1"]
    assert query(lake.root, "FROM search('')") == []


def test_a_moved_lake_answers_by_variable_or_publish(lake: Lake, tmp_path: Path) -> None:
    commit_documents(lake, table(row(1)))
    publish(lake)
    shutil.move(lake.root, tmp_path / "moved")
    with duckdb.connect(str(tmp_path / "moved" / "catalog.duckdb"), read_only=True) as connection:
        with pytest.raises(duckdb.IOException):
            connection.execute("FROM documents")
        connection.execute(f"SET VARIABLE lake_root = '{tmp_path / 'moved'}'")
        assert connection.execute("SELECT id FROM documents").fetchall() == [("1",)]
    publish(Lake.open(str(tmp_path / "moved")))
    assert query(tmp_path / "moved", "SELECT id FROM documents") == [{"id": "1"}]


def test_a_lake_with_quotes_and_spaces_in_its_path(tmp_path: Path) -> None:
    lake = Lake.open(str(tmp_path / "it's a lake, 100% ünï"), create=True)
    commit_documents(lake, table(row(1)))
    publish(lake)
    assert query(lake.root, "SELECT id FROM documents") == [{"id": "1"}]


def test_readers_never_see_a_torn_catalog(lake: Lake) -> None:
    """Readers in a loop while batches of ten are committed and published: always whole batches, never an error."""
    publish(lake)
    seen: list[int] = []
    errors: list[Exception] = []
    done = threading.Event()
    # DuckDB shares a file opened twice in one process, so readers are processes of their own.
    script = (
        "import duckdb, sys\n"
        "for line in sys.stdin:\n"
        "    with duckdb.connect(sys.argv[1], read_only=True) as c:\n"
        "        print(c.execute('SELECT count(*) FROM documents').fetchone()[0], flush=True)\n"
    )
    reader = subprocess.Popen(
        [sys.executable, "-c", script, f"{lake.root}/catalog.duckdb"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdin and reader.stdout

    def read() -> None:
        try:
            while not done.is_set():
                reader.stdin.write("\n")
                reader.stdin.flush()
                seen.append(int(reader.stdout.readline()))
        except (ValueError, OSError) as error:
            errors.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    for batch in range(8):
        commit_documents(lake, table(*(row(f"{batch}-{n}") for n in range(10))))
        publish(lake)
    done.set()
    thread.join(30)
    reader.stdin.close()
    reader.stdout.close()
    reader.wait(30)
    assert not errors
    assert len(seen) > 3 and all(count % 10 == 0 for count in seen) and seen == sorted(seen)


def test_a_failing_publish_leaves_the_catalog_before_it(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    commit_documents(lake, table(row(1)))
    publish(lake)
    monkeypatch.setattr("warehouse.catalog._STORAGE_VERSION", "v0.0.nonsense")
    with pytest.raises(LakeError, match="stays in place"):
        publish(lake)
    assert query(lake.root, "SELECT id FROM documents") == [{"id": "1"}]
    assert not [p for p in Path(lake.root).iterdir() if p.name.startswith(".")]


def test_an_older_catalog_file_is_readable_by_older_releases(lake: Lake) -> None:
    publish(lake)
    # DuckDB writes the storage version behind the magic bytes; 64 is that of releases 0.9 to 1.1.
    head = Path(lake.root, "catalog.duckdb").read_bytes()[:20]
    assert head[8:12] == b"DUCK" and int.from_bytes(head[12:20], "little") == 64


def test_views_state_their_grain() -> None:
    assert len(views()) >= 17
    for view in (*views(), *macros()):
        assert "One row per" in view.grain, view.name
