"""The one write path: versions, idempotence, turns between writers, and what a crash leaves behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from documents import row, table

from schemas.errors import UsageError
from schemas.keys import micros, public_count_id, site_bucket, watermark_id
from schemas.records import RawRecord, Rejection
from schemas.rules import validate
from schemas.tables import TABLES
from warehouse import rewrite
from warehouse.commit import (
    append_quarantine,
    commit_documents,
    commit_entities,
    land_raw,
    mark,
    watermark,
)
from warehouse.heads import document_heads
from warehouse.lake import Lake

ROOT = Path(__file__).resolve().parents[1]


def stored(lake: Lake, name: str = "documents") -> list[dict[str, object]]:
    """Return the rows of a table, read by an engine that shares nothing with the writer but the files."""
    files = lake.table(name).file_uris()
    if not files:
        return []
    with duckdb.connect() as connection:
        result = connection.execute("SELECT * FROM read_parquet(?, union_by_name = true)", [files])
        names = [column[0] for column in result.description]
        return [dict(zip(names, values, strict=True)) for values in result.fetchall()]


def test_new_changed_and_unchanged_are_told_apart(lake: Lake) -> None:
    first = commit_documents(lake, table(row(1), row(2), row(3)))
    assert first.outcomes == ("new", "new", "new")
    second = commit_documents(lake, table(row(1), row(2, "Another text."), row(4)))
    assert second.outcomes == ("unchanged", "changed", "new")
    versions = Counter((r["id"], r["document_version"]) for r in stored(lake))
    assert versions == {("1", 1): 1, ("2", 1): 1, ("2", 2): 1, ("3", 1): 1, ("4", 1): 1}
    assert mark(lake, public_count_id("example.org", "post")) == 4


def test_unchanged_documents_cost_no_commit(lake: Lake) -> None:
    commit_documents(lake, table(row(1), row(2)))
    before = lake.table("documents").version()
    commit_documents(lake, table(row(1), row(2)))
    assert lake.table("documents").version() == before


def test_a_flip_flop_is_a_version_each_time(lake: Lake) -> None:
    for text in ("One.", "Two.", "One."):
        commit_documents(lake, table(row(1, text)))
    assert sorted((r["document_version"], r["text"]) for r in stored(lake)) == [(1, "One."), (2, "Two."), (3, "One.")]


def test_a_key_that_comes_twice_in_a_batch_becomes_versions(lake: Lake) -> None:
    outcome = commit_documents(lake, table(row(1, "One."), row(1, "Two."), row(1, "Two.")))
    assert outcome.outcomes == ("new", "changed", "unchanged")
    assert [r["document_version"] for r in sorted(stored(lake), key=lambda r: r["document_version"])] == [1, 2]


def test_history_stays_in_order_when_the_clock_goes_backwards(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    commit_documents(lake, table(row(1, "One.")))
    past = datetime.now(UTC) - timedelta(days=3)
    monkeypatch.setattr("warehouse.commit.utcnow", lambda: past)
    commit_documents(lake, table(row(1, "Two.", modified_at=datetime(2024, 5, 5, tzinfo=UTC), source="file")))
    commit_documents(lake, table(row(1, "Two.", modified_at=datetime(2025, 5, 5, tzinfo=UTC))))
    moments = [r["valid_from"] for r in sorted(stored(lake), key=lambda r: r["document_version"])]
    assert moments == sorted(set(moments))


def test_watermarks_only_rise_and_move_with_their_rows(lake: Lake) -> None:
    march, april = datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC)
    name = watermark_id("example.org", "post")
    assert watermark(lake, "example.org", "post") is None
    commit_documents(lake, table(row(1)), {name: micros(april)})
    commit_documents(lake, table(row(2)), {name: micros(march)})
    assert watermark(lake, "example.org", "post") == april
    commit_documents(lake, table(), {name: micros(april + timedelta(days=1))})
    assert watermark(lake, "example.org", "post") == april + timedelta(days=1)


def _record(payload: bytes = b"{}", id_: str = "1") -> RawRecord:
    return RawRecord("example.org", "post", id_, payload, "rest", datetime.now(UTC))


def test_raw_lands_once_per_state(lake: Lake) -> None:
    assert land_raw(lake, [_record(b"{}"), _record(b"{}"), _record(b'{"a":1}')], "r1") == 2
    assert land_raw(lake, [_record(b"{}"), _record(b"{}", "2")], "r2") == 1
    assert sorted((r["id"], bytes(r["payload"])) for r in stored(lake, "raw")) == [
        ("1", b'{"a":1}'), ("1", b"{}"), ("2", b"{}"),
    ]  # fmt: skip


def test_a_rejection_is_recorded_once_per_run(lake: Lake) -> None:
    rejection = Rejection.of(_record(b"\xff"), "wrong_shape", "It is not an object.")
    assert append_quarantine(lake, [rejection, rejection], "r1") == 1
    assert append_quarantine(lake, [rejection], "r1") == 0
    assert append_quarantine(lake, [rejection], "r2") == 1


def _term(id_: str, name: str, **columns: object) -> dict[str, object]:
    return {
        "site_bucket": row()["site_bucket"], "site": "example.org", "taxonomy": "category", "id": id_, "name": name,
        "source": "rest", "_run_id": "r", "_ingested_at": datetime.now(UTC), "_state_sha256": name, **columns,
    }  # fmt: skip


def test_an_update_may_bring_in_the_first_rows_of_a_partition(lake: Lake) -> None:
    def commit(*rows: dict[str, object]) -> tuple[str, ...]:
        return commit_entities(lake, "terms", validate(TABLES["terms"], rows)[0]).outcomes

    other = {"site": "other.example", "site_bucket": site_bucket("other.example")}
    assert other["site_bucket"] != site_bucket("example.org")
    commit(_term("1", "News"))
    assert commit(_term("1", "Old news"), _term("1", "Fog", **other)) == ("changed", "new")
    assert {(r["site"], r["name"]) for r in stored(lake, "terms")} >= {("other.example", "Fog")}


def test_a_mark_that_stands_already_is_no_commit(lake: Lake) -> None:
    marks = {watermark_id("example.org", "post"): 7, "cursor": 3}
    for given in (marks, marks, {**marks, watermark_id("example.org", "post"): 6}):
        commit_documents(lake, table(), given)
        assert lake.table("documents").version() == 1
    commit_documents(lake, table(), {"cursor": 2})
    assert mark(lake, "cursor") == 2 and mark(lake, watermark_id("example.org", "post")) == 7


def test_entities_keep_their_current_state_only(lake: Lake) -> None:
    def commit(*rows: dict[str, object]) -> tuple[str, ...]:
        return commit_entities(lake, "terms", validate(TABLES["terms"], rows)[0]).outcomes

    assert commit(_term("1", "Tea"), _term("2", "Toast")) == ("new", "new")
    assert commit(_term("1", "Tea"), _term("2", "Jam"), _term("3", "Milk")) == ("unchanged", "changed", "new")
    assert {r["id"]: r["name"] for r in stored(lake, "terms")} == {"1": "Tea", "2": "Jam", "3": "Milk"}
    # An export knows less than the live site and does not replace what it told.
    assert commit(_term("2", "Old jam", source="wxr")) == ("unchanged",)
    assert commit(_term("3", "Cream"), _term("3", "Oat milk")) == ("unchanged", "changed")
    assert len(stored(lake, "terms")) == 3


def test_updates_of_two_sites_in_one_file_do_not_double_each_other(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both take the same file out of the table, which the storage engine by itself lets them do."""
    one = "example.org"
    other = next(f"s{n}.example" for n in range(999) if site_bucket(f"s{n}.example") == site_bucket(one))

    def commit(site: str, name: str) -> None:
        commit_entities(lake, "terms", validate(TABLES["terms"], [_term("1", name, site=site)])[0])

    rows = [_term("1", "Tea"), _term("1", "Tea", site=other)]
    commit_entities(lake, "terms", validate(TABLES["terms"], rows)[0])
    assert len(lake.table("terms").file_uris()) == 1
    write = rewrite.write_files

    def meanwhile(*given: object, **more: object) -> object:
        monkeypatch.setattr(rewrite, "write_files", write)
        commit(other, "Oolong")
        return write(*given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(rewrite, "write_files", meanwhile)
    commit(one, "Assam")
    assert sorted((r["site"], r["name"]) for r in stored(lake, "terms")) == [(one, "Assam"), (other, "Oolong")]


def test_long_site_names_are_found_again(lake: Lake) -> None:
    # File statistics may cut long text; the lookup must not be fooled by it.
    sites = [f"example.org/{'a' * 200}/{n}" for n in range(3)]
    for site in sites:
        commit_documents(lake, table(row(1, site=site)))
    for site in sites:
        assert commit_documents(lake, table(row(1, site=site))).outcomes == ("unchanged",)
        assert document_heads(lake.table("documents"), [(site, "post", "1")])


def test_a_half_made_lake_is_completed(tmp_path: Path) -> None:
    root = str(tmp_path / "lake")
    first = Lake(root)
    first._create(TABLES["raw"])
    lake = Lake.open(root, create=True)
    assert set(lake.versions()) == set(TABLES)
    with pytest.raises(UsageError, match="No lake"):
        Lake.open(str(tmp_path / "other"))


def _write_site(root: str, site: str, writer: int, batches: int) -> None:
    lake = Lake.open(root)
    for number in range(batches):
        # Half of the ids are shared by all writers of the site, half are this one's own.
        rows = [row(f"shared-{number}-{n}", site=site) for n in range(5)]
        rows += [row(f"own-{writer}-{number}-{n}", site=site) for n in range(5)]
        commit_documents(lake, table(*rows))


@pytest.mark.parametrize("sites", [1, 4])
def test_writers_side_by_side_lose_and_double_nothing(lake: Lake, sites: int) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=_write_site, args=(lake.root, f"site{n % sites}.example", n, 6)) for n in range(4)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
        assert writer.exitcode == 0
    keys = Counter((r["site"], r["id"], r["document_version"]) for r in stored(lake))
    assert max(keys.values()) == 1 and all(version == 1 for _, _, version in keys)
    assert len(keys) == sites * 6 * 5 + 4 * 6 * 5
    for n in range(sites):
        expected = sum(site == f"site{n}.example" for site, _, _ in keys)
        assert mark(lake, public_count_id(f"site{n}.example", "post")) == expected


_VICTIM = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
from documents import row, table
from warehouse.commit import commit_documents, land_raw
from warehouse.lake import Lake
lake = Lake.open({lake!r})
for number in range(1000):
    commit_documents(lake, table(*(row(f"{{number}}-{{n}}", "Text " * 200) for n in range(20))))
    print(number, flush=True)
"""


def test_kill_9_leaves_whole_batches_and_a_rerun_completes_them(lake: Lake) -> None:
    script = _VICTIM.format(tests=str(ROOT / "tests"), root=str(ROOT), lake=lake.root)
    for attempt in range(6):
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.05 * attempt)
        process.send_signal(signal.SIGKILL)
        acknowledged = [int(line) for line in process.stdout.read().split()]
        process.wait()
        process.stdout.close()
        batches = Counter(str(r["id"]).split("-")[0] for r in stored(lake))
        assert set(batches.values()) == {20}, "a half batch is visible"
        assert all(str(number) in batches for number in acknowledged), "an acknowledged batch is lost"
    ids = Counter(r["id"] for r in stored(lake))
    assert max(ids.values()) == 1
    assert os.path.isdir(lake.root)
