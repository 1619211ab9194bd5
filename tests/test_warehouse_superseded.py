"""The index of superseded versions: the places of exactly those rows that a newer state replaced, however it came about."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from documents import row, table
from hypothesis import given, settings
from hypothesis import strategies as st
from lakes import query

from schemas.errors import UsageError
from warehouse import superseded
from warehouse.catalog import publish
from warehouse.commit import commit_documents
from warehouse.lake import Lake
from warehouse.purge import Target, find, purge
from warehouse.query import connect, run_query
from warehouse.rewrite import ROW_GROUP, data_files
from warehouse.upkeep import compact, vacuum_published

pytestmark = pytest.mark.usefixtures("many_lakes")

Place = tuple[str, str, int, str, int]
"""Site, id and version of a row, the name of its file and its row within."""

SITES = ("example.org", "example.net")
EDIT = st.lists(st.tuples(st.sampled_from(SITES), st.integers(0, 3)), min_size=2, max_size=6)
# What is done, and whether it is published before the next is; edits come between all else.
STEPS = st.lists(
    st.tuples(EDIT, st.booleans(), st.sampled_from(["nothing", "nothing", "compact", "purge"]), st.booleans()),
    min_size=3, max_size=5,
)  # fmt: skip


def places(lake: Lake) -> set[Place]:
    """Return where every row stands, read from the files one by one."""
    found = set()
    for path in data_files(lake.table("documents")):
        rows = pq.ParquetFile(Path(lake.root, "documents", path)).read(columns=["site", "id", "document_version"])
        for number, each in enumerate(rows.to_pylist()):
            found.add((each["site"], each["id"], each["document_version"], Path(path).name, number))
    return found


def ended(lake: Lake) -> set[Place]:
    """Return the places of rows that a later version of the same document follows."""
    every = places(lake)
    known = {place[:3] for place in every}
    return {place for place in every if (place[0], place[1], place[2] + 1) in known}


def _edited(site: str, id_: int, number: int) -> dict[str, Any]:
    return row(id_, f"Text {number}.", site=site, url=f"https://{site}/{id_}/")


def indexed(lake: Lake) -> set[Place]:
    with duckdb.connect() as connection:
        index = superseded.index(connection, lake, lake.table("documents"))
    columns = index.select(["site", "id", "document_version", "_file", "_row"])
    rows = [tuple(each.values()) for each in columns.to_pylist()]
    assert len(set(rows)) == len(rows)
    return set(rows)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(STEPS)
def test_an_index_made_step_by_step_says_where_every_superseded_row_is(
    steps: list[tuple[list[tuple[str, int]], bool, str, bool]],
) -> None:
    lake = Lake.open(tempfile.mkdtemp(), create=True)
    for number, (edits, *then) in enumerate(steps):
        commit_documents(lake, table(*(_edited(site, id_, number) for site, id_ in dict.fromkeys(edits))))
        for step in then:
            if step is True:
                publish(lake)
            elif step == "compact":
                compact(lake, "documents")
            elif step == "purge":
                with suppress(UsageError):  # nothing there to purge
                    purge(lake, find(lake, Target(url="https://example.org/3/")))
            assert indexed(lake) == ended(lake)
    publish(lake)
    current = query(lake.root, "SELECT site, id, document_version FROM documents_all")
    shown = sorted(tuple(each.values()) for each in current)
    assert shown == sorted(place[:3] for place in places(lake) - ended(lake))
    versions = query(lake.root, "SELECT site, id, document_version FROM document_versions WHERE NOT is_current")
    assert sorted(tuple(each.values()) for each in versions) == sorted(place[:3] for place in ended(lake))


def test_rows_are_found_in_files_of_many_row_groups_whatever_is_asked(lake: Lake) -> None:
    first = table(row(0, "First text."))
    count = 2 * ROW_GROUP + 500
    ids = [str(number) for number in range(count)]
    many = first.take([0] * count)
    for name, values in (("id", ids), ("url", [f"https://example.org/{number}/" for number in ids])):
        many = many.set_column(many.schema.get_field_index(name), many.schema.field(name), [values])
    commit_documents(lake, many)
    edited = [0, 7, ROW_GROUP - 1, ROW_GROUP, ROW_GROUP + 1, 2 * ROW_GROUP, count - 1]
    commit_documents(lake, table(*(row(number, "Second text.") for number in edited)))
    publish(lake)
    assert query(lake.root, "SELECT count(*) AS n FROM documents") == [{"n": count}]
    for number in edited:
        # A filter lets row groups be skipped; the rows' numbers must not shift by that.
        found = query(lake.root, "SELECT text FROM documents WHERE id = ?", [str(number)])
        assert found == [{"text": "Second text."}]
        both = query(lake.root, "SELECT text FROM document_versions WHERE id = ? ORDER BY 1", [str(number)])
        assert [each["text"] for each in both] == ["First text.", "Second text."]


def test_old_versions_stay_hidden_wherever_the_lake_is(lake: Lake, tmp_path: Path) -> None:
    commit_documents(lake, table(row(1, "One."), row(2, "Two.")))
    commit_documents(lake, table(row(1, "One, edited.")))
    publish(lake)
    moved = tmp_path / "a new place"
    shutil.move(lake.root, moved)
    link = tmp_path / "link"
    link.symlink_to(moved)
    for root in (f"{moved}", f"{moved}/", f"{moved.parent}//{moved.name}", f"{link}", f"{link}/../link"):
        assert _texts(moved, root) == ["One, edited.", "Two."], root
    with connect(f"{link}/") as connection:
        rows = run_query(connection, "SELECT text FROM documents ORDER BY id").rows()
        assert [text for piece in rows for (text,) in piece] == ["One, edited.", "Two."]


def _texts(lake: Path, root: str) -> list[str]:
    with duckdb.connect(str(lake / "catalog.duckdb"), read_only=True) as connection:
        connection.execute("SET VARIABLE lake_root = ?", [root])
        return [text for (text,) in connection.execute("SELECT text FROM documents ORDER BY id").fetchall()]


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"not Parquet at all"])
def test_a_damaged_index_is_made_anew(lake: Lake, damage: bytes) -> None:
    commit_documents(lake, table(row(1, "One."), row(2, "Two.")))
    commit_documents(lake, table(row(1, "One, edited.")))
    publish(lake)
    (index,) = Path(lake.root, "published").glob("superseded-*")
    index.write_bytes(damage)
    publish(lake)
    assert [each["text"] for each in query(lake.root, "SELECT text FROM documents ORDER BY id")] == [
        "One, edited.", "Two.",
    ]  # fmt: skip


def test_what_is_known_is_not_looked_for_again(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    commit_documents(lake, table(row(1, "One."), row(2, "Two.")))
    commit_documents(lake, table(row(1, "One, edited.", deleted_at=datetime.now(UTC))))
    publish(lake)
    vacuum_published(lake, 0)
    monkeypatch.setattr(superseded, "_FIND", "nonsense")
    publish(lake)
    commit_documents(lake, table(row(3, "Three.")))
    # A file of first versions only ends none.
    publish(lake)
    assert [place[:3] for place in indexed(lake)] == [("example.org", "1", 1)]
