"""Writers side by side through the whole pipeline, upkeep running beside them: nothing lost, nothing doubled."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest
from lakes import query

from flows.batches import Batch
from flows.jobs import Outcome, perform, published
from flows.pipeline import Pipeline
from flows.settings import Settings
from flows.upkeep import maintain
from schemas.keys import micros, public_count_id, watermark_id
from schemas.records import RawRecord, Rejection
from warehouse.commit import mark
from warehouse.integrity import check
from warehouse.lake import Lake
from warehouse.ledger import new_run_id

START = datetime(2024, 1, 1, tzinfo=UTC)
OWN, SHARED = 4, "1"


def _record(site: str, kind: str, id_: str, value: dict[str, Any], table: str) -> RawRecord:
    payload = json.dumps(value).encode()
    return RawRecord(site, kind, id_, payload, "rest", datetime.now(UTC), table=table, content_type="application/json")


def batch_of(site: str, writer: int, number: int) -> Batch:
    """The batch of a writer: documents of its own, each edited once by the next batch, and what all writers write."""
    when = START + timedelta(minutes=number, seconds=writer)
    records = []

    def post(id_: str, text: str, modified: datetime) -> None:
        value = {
            "id": int(id_), "type": "post", "status": "publish", "slug": f"p{id_}", "link": f"https://{site}/p{id_}/",
            "date_gmt": "2024-01-01T00:00:00", "modified_gmt": f"{modified:%Y-%m-%dT%H:%M:%S}",
            "title": {"rendered": f"Title {id_}"}, "content": {"rendered": f"<p>{text}</p>"}, "author": 0,
        }  # fmt: skip
        records.append(_record(site, "post", id_, value, "documents"))

    for n in range(OWN):
        post(f"{writer + 1}{number:03}{n}", "First state.", when)
        if number:
            post(f"{writer + 1}{number - 1:03}{n}", "Second state.", when)
    post(SHARED, f"By writer {writer}, batch {number}.", when)
    for n in (7, 8):
        term = {"id": n, "taxonomy": "category", "name": f"Name {writer}-{number}", "slug": f"t{n}", "count": 1}
        records.append(_record(site, "category", str(n), term, "terms"))
    rejection = Rejection(site, "post", f"broken-{writer}-{number}", "wrong_shape", "It is none.", source="rest")
    return Batch(records, [rejection], marks={watermark_id(site, "post"): micros(when)})


def write(lake_root: str, sites: Iterable[str], writer: int, batches: int) -> None:
    """Take batches of several sites to the lake in turn, each site in a run of its own."""
    settings = Settings(lake=lake_root, workers=1)
    lake = Lake.open(lake_root, create=True)
    for site in sites:
        outcome = Outcome(new_run_id(), lake.root)
        with published(lake, outcome):
            pipeline = Pipeline(lake, outcome.run_id, settings, source=site)
            perform(pipeline, outcome, lambda: [pipeline.process(batch_of(site, writer, n)) for n in range(batches)])  # noqa: B023


def tend(lake_root: str, ended: Event) -> None:
    """Merge, publish and vacuum without pause until all writers have ended, and once more."""
    while True:
        is_last = ended.is_set()
        maintain(Settings(lake=lake_root))
        if is_last:
            return
        time.sleep(0.05)


def side_by_side(lake: Lake, shares: list[list[str]], batches: int) -> None:
    """Run one writer for each share of the sites, and upkeep beside them."""
    context = multiprocessing.get_context("spawn")
    ended = context.Event()
    keeper = context.Process(target=tend, args=(lake.root, ended))
    writers = [context.Process(target=write, args=(lake.root, s, n, batches)) for n, s in enumerate(shares)]
    for process in (keeper, *writers):
        process.start()
    try:
        for process in writers:
            process.join(200)
        ended.set()
        keeper.join(60)
        assert [process.exitcode for process in (*writers, keeper)] == [0] * (len(writers) + 1)
    finally:
        for process in (keeper, *writers):
            process.kill()


def prove(lake: Lake, site: str, writers: list[int], batches: int) -> None:
    """Every batch of every writer is in the lake of this site, once."""

    def rows(sql: str) -> list[dict[str, Any]]:
        return query(lake.root, sql, [site])

    sent = [batch_of(site, writer, number) for writer in writers for number in range(batches)]
    posts = {(r.id, r.sha256) for batch in sent for r in batch.records if r.kind == "post"}

    raw = Counter((r["id"], r["raw_sha256"]) for r in rows("SELECT * FROM raw WHERE site = ? AND kind = 'post'"))
    assert set(raw.values()) == {1}, "a raw record is there twice"
    versions = rows("SELECT id, document_version, text FROM document_versions WHERE site = ? ORDER BY ALL")
    assert len({(v["id"], v["document_version"]) for v in versions}) == len(versions)
    own = {v["id"]: [] for v in versions if v["id"] != SHARED}
    for v in versions:
        if v["id"] != SHARED:
            own[v["id"]].append((v["document_version"], v["text"]))
    edited = [(1, "First state."), (2, "Second state.")]
    assert own == {
        f"{writer + 1}{number:03}{n}": edited if number < batches - 1 else edited[:1]
        for writer in writers for number in range(batches) for n in range(OWN)
    }  # fmt: skip
    # A state that came after a newer one of another writer is no version.
    shared = [v["document_version"] for v in versions if v["id"] == SHARED]
    assert shared == list(range(1, len(shared) + 1)) and len(shared) >= batches
    assert {(id_, sha) for id_, sha in posts if id_ != SHARED} <= raw.keys()
    assert len([id_ for id_, _ in raw if id_ == SHARED]) == len(writers) * batches
    newest = rows("SELECT text FROM documents WHERE site = ? AND id = '1'")
    # The live site counts as read last, so it may also be the writer with the earlier time of modification.
    assert newest in [[{"text": f"By writer {writer}, batch {batches - 1}."}] for writer in writers]

    terms = Counter(r["id"] for r in rows("SELECT id FROM terms WHERE site = ?"))
    assert terms == {"7": 1, "8": 1}
    rejected = Counter(r["id"] for r in rows("SELECT id FROM quarantine WHERE site = ?"))
    assert rejected == {f"broken-{writer}-{number}": 1 for writer in writers for number in range(batches)}

    last = START + timedelta(minutes=batches - 1, seconds=max(writers))
    assert mark(lake, watermark_id(site, "post")) == micros(last)
    assert mark(lake, public_count_id(site, "post")) == len(own) + 1
    (run,) = rows("SELECT sum(fetched) AS fetched, sum(new) AS new, count(*) AS runs FROM runs WHERE site = ?")
    assert run["runs"] == len(writers) and run["fetched"] == sum(batch.fetched for batch in sent)
    assert run["new"] == len(own) + 1 + len(terms)


@pytest.mark.parametrize(
    ("sites", "shares", "batches"),
    [
        pytest.param(["one.example"], 2, 8, id="two writers of one site"),
        pytest.param([f"s{n}.example" for n in range(20)], 4, 2, id="four writers of twenty sites"),
    ],
)
def test_writers_and_upkeep_side_by_side(lake: Lake, sites: list[str], shares: int, batches: int) -> None:
    parts = [sites if len(sites) == 1 else sites[n::shares] for n in range(shares)]
    side_by_side(lake, parts, batches)
    for number, site in enumerate(sites):
        prove(lake, site, list(range(shares)) if len(sites) == 1 else [number % shares], batches)
    assert not [finding for finding in check(lake) if finding.broken]
    assert not [p for p in Path(lake.root).rglob("*") if p.name.startswith(".") and p.is_file()], "a half-made file"
