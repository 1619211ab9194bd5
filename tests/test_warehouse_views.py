"""Each view and macro: the rows that go into the lake, and the rows that come out.

A folder of ``views`` per view holds the input, a JSON file for each table, and ``expected.json``: the rows that must come
out (any order; only the columns that they name), for derived views all columns with their types, and for macros the call.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lakes import query
from view_lakes import lake_of, shown

from schemas.dictionary import sql_type
from schemas.tables import TABLES
from warehouse.catalog import macros, publish, views
from warehouse.lake import Lake

CASES = {path.name: path for path in sorted(Path(__file__).with_name("views").iterdir()) if path.is_dir()}
VIEWS = [view.name for view in views()]
# The views that the design names; a further one needs a case, too.
NAMED = """documents documents_all document_versions document_changes authors terms document_terms document_authors media
    comments links images sites publishing_daily near_duplicates runs quarantine raw""".split()
BOTH_ENDS = {"valid_to": "TIMESTAMP WITH TIME ZONE", "is_current": "BOOLEAN"}


def _expected(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((CASES[name] / "expected.json").read_text())
    return {"from": name} | content


def _columns(name: str) -> dict[str, str]:
    """Return the documented columns of a view or macro and their types, in order."""
    if pinned := _expected(name).get("columns"):
        return dict(pinned)
    is_of_documents = name in ("documents", "documents_all", "document_versions", "as_of")
    declared = TABLES["documents" if is_of_documents else name]
    columns = {c.name: sql_type(c.type) for c in declared.columns if c.name != declared.partition}
    return columns | BOTH_ENDS if is_of_documents else columns


def _described(lake: Lake, source: str) -> dict[str, str]:
    found = query(lake.root, f"DESCRIBE SELECT * FROM {source}")
    return {column["column_name"]: column["column_type"] for column in found}


def _sorted(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True, ensure_ascii=False) for row in rows)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake.open(str(tmp_path_factory.mktemp("empty") / "lake"), create=True)
    publish(lake)
    return lake


def test_every_view_and_macro_has_a_case() -> None:
    assert sorted(NAMED) == sorted(VIEWS)
    assert sorted(CASES) == sorted([*VIEWS, *(macro.name for macro in macros())])


@pytest.mark.parametrize("name", CASES)
def test_rows_in_and_rows_out(name: str, tmp_path: Path, empty: Lake) -> None:
    lake, expected = lake_of(tmp_path / "lake", CASES[name]), _expected(name)
    listed = ", ".join(f'"{column}"' for column in expected["rows"][0])
    found = query(lake.root, f"SELECT {listed} FROM {expected['from']}")
    assert _sorted([shown(row) for row in found]) == _sorted(expected["rows"])
    # The same columns in the documented order, with rows and before the first load.
    after = _described(lake, expected["from"])
    assert list(after) == list(_columns(name))
    assert {k: v.lower().replace('"', "") for k, v in after.items()} == {
        k: v.lower() for k, v in _columns(name).items()
    }
    assert _described(empty, expected["from"]) == after
    assert query(empty.root, f"FROM {expected['from']}") == []


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_and_its_columns_say_what_they_mean(name: str, empty: Lake) -> None:
    (told,) = query(
        empty.root, "SELECT comment FROM duckdb_views() WHERE view_name = ? AND schema_name = 'main'", [name]
    )
    assert "One row per" in told["comment"]
    found = query(empty.root, "SELECT * FROM duckdb_columns() WHERE table_name = ? AND schema_name = 'main'", [name])
    comments = {column["column_name"]: column["comment"] for column in found}
    assert comments.keys() == _columns(name).keys() and all(comments.values())
    if name in TABLES:
        declared = {column.name: column.description for column in TABLES[name].columns}
        assert comments == {column: declared.get(column, comments[column]) for column in comments}


def test_columns_of_derived_views_speak_of_what_they_hold(empty: Lake) -> None:
    """A name that several tables use must not be explained by the wrong one."""
    found = query(
        empty.root, "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE schema_name = 'main'"
    )
    comments = {(c["table_name"], c["column_name"]): c["comment"] for c in found}
    assert comments["document_terms", "name"].startswith("Name of the term")
    assert comments["document_authors", "name"].startswith("Name of the author")
    assert comments["document_changes", "url"] == "Address after the change."
    assert comments["near_duplicates", "url"] == "Address of the document."
    for view in ("document_terms", "document_authors", "links", "images", "document_changes", "near_duplicates"):
        assert comments[view, "id"] == "Id of the document within site and kind."


def test_near_duplicates_estimate_how_much_two_texts_share(tmp_path: Path) -> None:
    lake = lake_of(tmp_path / "lake", CASES["near_duplicates"])
    found = query(lake.root, "SELECT id, other_site, similarity FROM near_duplicates ORDER BY is_same_site DESC, id")
    # Two equal texts; and eight runs of four words out of some sixty that differ, each way round.
    assert found[0]["similarity"] == 1.0
    assert all(0.6 < row["similarity"] < 0.95 for row in found[1:])


def test_reading_the_catalog_needs_no_extension_and_no_zone(tmp_path: Path) -> None:
    """The day of an article is its day in UTC whatever zone the reader's session is in."""
    lake = lake_of(tmp_path / "lake", CASES["publishing_daily"])
    sql = "SELECT site, kind, day, documents FROM publishing_daily ORDER BY ALL"
    there = query(lake.root, f"SET TimeZone = 'Pacific/Auckland'; {sql}")
    assert there == query(lake.root, sql)
