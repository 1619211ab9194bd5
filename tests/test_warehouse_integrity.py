"""A check that finds nothing on a good lake, and names what is broken on a bad one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, Transaction, write_deltalake
from documents import row, table
from lakes import ingested

from flows.settings import Settings
from schemas.keys import micros, public_count_id, watermark_id
from schemas.tables import TABLES
from warehouse.catalog import publish
from warehouse.integrity import check, checks
from warehouse.lake import Lake
from warehouse.rewrite import data_files


@pytest.fixture
def good(settings: Settings, tmp_path: Path) -> Lake:
    """A lake that a run made, with edits, a rejection and every kind of local file."""
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "one.md").write_text("# One\n\nThe first text.\n")
    (notes / "two.json").write_text('{"id": 7, "type": "post"')
    ingested(settings, str(notes))
    (notes / "one.md").write_text("# One\n\nThe first text, edited.\n")
    ingested(settings, str(notes))
    return Lake.open(settings.lake)


def broken(lake: Lake) -> dict[str, list[str]]:
    return {finding.check: finding.examples for finding in check(lake) if finding.broken}


def append(lake: Lake, name: str, *rows: dict[str, object], **transactions: int) -> None:
    """Write what presslake itself never would."""
    data = pa.Table.from_pylist(list(rows), schema=TABLES[name].schema())
    properties = CommitProperties(app_transactions=[Transaction(k, v) for k, v in transactions.items()])
    write_deltalake(lake.table(name), data, mode="append", commit_properties=properties)


def first(lake: Lake, name: str) -> Path:
    return Path(lake.root, name, sorted(data_files(lake.table(name)))[0])


def cut(lake: Lake) -> None:
    path = first(lake, "documents")
    path.write_bytes(path.read_bytes()[:-100])


def flip(lake: Lake) -> None:
    path = first(lake, "documents")
    content = bytearray(path.read_bytes())
    content[200:260] = bytes(60)
    path.write_bytes(bytes(content))


def again(lake: Lake) -> None:
    (known,) = lake.table("documents").to_pyarrow_table().slice(0, 1).to_pylist()
    append(lake, "documents", known)


def ahead(lake: Lake) -> None:
    later = micros(datetime.now(UTC) + timedelta(days=1))
    append(lake, "documents", row(1, modified_at=datetime(2024, 1, 1, tzinfo=UTC)), **{
        watermark_id("example.org", "post"): later, public_count_id("example.org", "post"): 1,
    })  # fmt: skip


def miscounted(lake: Lake) -> None:
    run = lake.table("runs").to_pyarrow_table().slice(0, 1).to_pylist()[0]
    append(lake, "runs", {**run, "run_id": "other", "fetched": run["fetched"] + 1})


BREAKAGES: dict[str, tuple[Callable[[Lake], None], str]] = {
    "a file that is gone": (lambda lake: first(lake, "documents").unlink(), "files"),
    "a file that was cut": (cut, "files"),
    "a file with other bytes": (flip, "files"),
    "a version twice": (again, "versions_without_gaps"),
    "a version without raw": (lambda lake: append(lake, "documents", row(1)), "documents_have_their_raw"),
    "a watermark ahead": (ahead, "watermarks"),
    "a count that does not add up": (miscounted, "runs_add_up"),
    "a rejection nobody counted": (
        lambda lake: append(lake, "quarantine", {
            **lake.table("quarantine").to_pyarrow_table().slice(0, 1).to_pylist()[0], "id": "unheard of",
        }),
        "rejections_are_kept",
    ),
}  # fmt: skip


def test_a_lake_that_runs_made_keeps_every_promise(good: Lake) -> None:
    findings = list(check(good))
    assert not [finding for finding in findings if finding.broken]
    assert {entry.name for entry in checks()} < {finding.check for finding in findings}
    assert all(finding.promise.endswith(".") for finding in findings)


@pytest.mark.parametrize("name", BREAKAGES)
def test_what_is_broken_is_named(good: Lake, name: str) -> None:
    breaks, wanted = BREAKAGES[name]
    breaks(good)
    found = broken(good)
    assert wanted in found and found[wanted][0]


def test_an_entity_twice_is_named(good: Lake) -> None:
    author = {"site": "example.org", "id": "1", "name": "A", "source": "rest", "_run_id": "r", "site_bucket": "00",
              "_ingested_at": datetime.now(UTC), "_state_sha256": "0" * 64}  # fmt: skip
    append(good, "authors", author, author)
    assert "authors" in broken(good)["keys_are_unique"][0]


def test_a_catalog_whose_files_are_gone_is_named(good: Lake) -> None:
    publish(good)
    for path in Path(good.root, "published").glob("superseded-*"):
        path.unlink()
    assert "superseded" in broken(good)["catalog"][0]


def test_a_valid_table_is_not_enough(good: Lake) -> None:
    append(good, "documents", row(5, _raw_sha256=None), row(6, _raw_sha256=None))
    assert len(broken(good)["documents_have_their_raw"]) == 2
    assert table(row(5)).num_rows == 1
