"""Lakes of earlier releases: read as they are, written to once opened, refused when they do not fit."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from deltalake import Field
from documents import row, table
from lakes import ingested, query

from flows.settings import Settings
from schemas.errors import SchemaMismatch
from schemas.tables import SCHEMA_VERSION, TABLES
from warehouse.catalog import publish
from warehouse.commit import commit_documents
from warehouse.integrity import check
from warehouse.lake import Lake
from warehouse.ledger import StreamRun, new_run_id, record
from warehouse.upkeep import compact

RELEASES = Path(__file__).parent / "lakes_of_releases"
"""A small lake written by each schema version; add one with every version that is released."""


@pytest.fixture(params=sorted(RELEASES.glob("schema-*.tar.gz")), ids=lambda path: path.name.split(".")[0])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The unpacked lake of an earlier release."""
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path / "lake", filter="data")
    return str(tmp_path / "lake")


def test_an_older_lake_is_read_as_it_is(old: str) -> None:
    lake = Lake.open(old)
    publish(lake)
    titles = {r["title"] for r in query(old, "SELECT title FROM documents")}
    assert len(titles) == 4 and "A title that was changed" in titles
    assert query(old, "SELECT max(document_version) AS n FROM document_versions") == [{"n": 2}]
    for name in TABLES:
        assert query(old, f"SELECT * FROM {name} LIMIT 1") is not None
    assert not [finding for finding in check(lake) if finding.broken]


def test_an_older_lake_is_written_to(old: str, tmp_path: Path) -> None:
    settings = Settings(lake=old, workers=1)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "new.md").write_text("# New\n\nWritten by this release.\n")
    assert ingested(settings, str(tmp_path / "notes")).exit_code == 0
    lake = Lake.open(old, create=True)
    assert len(query(old, "SELECT * FROM documents")) == 5
    # Columns added since read as null in rows from before, also once both share a file.
    for name in TABLES:
        compact(lake, name)
        stored = {field.name for field in lake.table(name).schema().fields}
        assert set(TABLES[name].schema().names) == stored
    publish(lake)
    assert len(query(old, "SELECT * FROM documents")) == 5
    assert not [finding for finding in check(lake) if finding.broken]


def test_a_column_may_be_described_in_other_words(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(TABLES):
        columns = tuple(
            replace(column, description=f"{column.description} In short.") for column in TABLES[name].columns
        )
        monkeypatch.setitem(TABLES, name, replace(TABLES[name], columns=columns, _schema=[]))
    lake = Lake.open(lake.root, create=True)
    commit_documents(lake, table(row(1)))
    record(lake, [StreamRun(new_run_id(), "a.example", "posts", "ingest", "a.example").finish({"runs": 1})])
    publish(lake)
    assert len(query(lake.root, "SELECT * FROM documents")) == len(query(lake.root, "SELECT * FROM runs")) == 1


def test_a_version_that_was_released_has_its_lake() -> None:
    have = {int(path.name.removeprefix("schema-").split(".")[0]) for path in RELEASES.glob("schema-*.tar.gz")}
    assert have == set(range(1, SCHEMA_VERSION))


def test_a_lake_of_a_newer_release_is_refused(lake: Lake) -> None:
    commit_documents(lake, table(row(1)))
    lake.table("documents").alter.add_columns([Field("mood", "string")])  # type: ignore[arg-type]
    with pytest.raises(SchemaMismatch, match=r"newer release.*Upgrade presslake"):
        Lake.open(lake.root, create=True)
    publish(Lake.open(lake.root))
    assert len(query(lake.root, "SELECT * FROM documents")) == 1
