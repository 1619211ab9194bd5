"""A writer that is killed: at every step of its commits one after the other, then at random moments.

    python tests/crashing.py LAKE KILLS SEED

Each life is a fork of this process, so that it begins at once. It takes batches to the lake, updates entities, rejects,
publishes, merges and vacuums, and notes a batch as acknowledged once it is in. The next life begins with the first batch
that was not acknowledged. Prints one JSON object about what happened.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import deltalake

from flows import pipeline as pipelines
from flows.batches import Batch
from flows.settings import Settings
from schemas.keys import micros, watermark_id
from schemas.records import RawRecord, Rejection
from warehouse import catalog, commit, rewrite, upkeep
from warehouse.lake import Lake

SITE, DOCUMENTS, ROUNDS = "example.org", 6, 1
# What happens in Python between two commits, or around one: a life is killed before and after each such call.
STEPS: tuple[tuple[Any, str], ...] = (
    (commit, "append"), (deltalake.DeltaTable, "create_write_transaction"), (rewrite, "write_files"),
    (upkeep, "write_files"), (os, "replace"), (deltalake.DeltaTable, "create_checkpoint"),
    (deltalake.DeltaTable, "cleanup_metadata"), (deltalake.DeltaTable, "vacuum"), (pipelines, "land_raw"),
    (pipelines, "commit_entities"), (pipelines, "append_quarantine"), (pipelines, "commit_documents"),
    (catalog, "_build"),
)  # fmt: skip


def batch_of(state: int) -> Batch:
    """Every document and its term in their state of that number, and a record that is none."""
    when = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=state)
    stamp = f"{when:%Y-%m-%dT%H:%M:%S}"
    records = []
    for id_ in range(1, DOCUMENTS + 1):
        post = {
            "id": id_, "type": "post", "status": "publish", "slug": f"p{id_}", "link": f"https://{SITE}/p{id_}/",
            "date_gmt": "2024-01-01T00:00:00", "date": "2024-01-01T00:00:00", "modified": stamp, "modified_gmt": stamp,
            "title": {"rendered": f"Title {id_}"}, "content": {"rendered": f"<p>State {state}</p>"}, "author": 0,
        }  # fmt: skip
        records.append(_record("post", str(id_), post, "documents"))
        term = {"id": id_, "taxonomy": "category", "name": f"State {state}", "slug": f"t{id_}", "count": 1}
        records.append(_record("category", str(id_), term, "terms"))
    rejection = Rejection(SITE, "post", f"broken-{state}", "wrong_shape", "It is none.", source="rest")
    return Batch(records, [rejection], marks={watermark_id(SITE, "post"): micros(when)})


def _record(kind: str, id_: str, value: dict[str, Any], table: str) -> RawRecord:
    payload = json.dumps(value).encode()
    return RawRecord(SITE, kind, id_, payload, "rest", datetime.now(UTC), table=table, content_type="application/json")


def live(root: str, first: int, acknowledge: Callable[[int], None]) -> None:
    """One life of the writer, if nothing kills it."""
    lake = Lake.open(root, create=True)
    for state in range(first, first + ROUNDS):
        with pipelines.Pipeline(lake, f"life-{state}", Settings(lake=root, workers=1)) as pipeline:
            pipeline.process(batch_of(state))
        acknowledge(state)
        catalog.publish(lake)
    for name in ("documents", "terms", "raw"):
        upkeep.compact(lake, name)
        upkeep.shorten_log(lake, name)
    catalog.publish(lake)
    for name in ("documents", "terms", "raw"):
        upkeep.vacuum(lake, name, 0)


@contextmanager
def killed_at(step: int | None) -> Iterator[None]:
    """Kill this process at the step of that number."""
    passed = 0

    def pass_step() -> None:
        nonlocal passed
        if passed == step:
            os.kill(os.getpid(), signal.SIGKILL)
        passed += 1

    def wrapped(action: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **more: Any) -> Any:
            pass_step()
            result = action(*given, **more)
            pass_step()
            return result

        return call

    for owner, name in STEPS:
        setattr(owner, name, wrapped(getattr(owner, name)))
    yield


def one_life(root: str, first: int, step: int | None, after_s: float | None) -> tuple[bool, int]:
    """Fork a writer, kill it, and return whether it was killed and the next state to write."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            with killed_at(step):
                live(root, first, lambda state: (os.write(writing, f"{state}\n".encode()), None)[1])
            os._exit(0)
        except BaseException as error:  # told to whoever runs the tests
            print(f"life at {first}, step {step}: {error!r}", file=sys.stderr, flush=True)
            os._exit(1)
    os.close(writing)
    if after_s is not None:
        time.sleep(after_s)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reading) as pipe:
        acknowledged = [int(line) for line in pipe if line.endswith("\n")]
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit("a life failed by itself")
    return os.WIFSIGNALED(status), acknowledged[-1] + 1 if acknowledged else first


def main(root: str, kills: int, seed: int) -> None:
    dice, state, at_steps, at_random, step, seconds = random.Random(seed), 0, 0, 0, 0, 0.5
    while True:
        began = time.monotonic()
        was_killed, state = one_life(root, state, step, None)
        if not was_killed:
            seconds = time.monotonic() - began
            break
        at_steps, step = at_steps + 1, step + 1
    while at_steps + at_random < kills:
        was_killed, state = one_life(root, state, None, dice.uniform(0.0, seconds))
        at_random += was_killed
    _, state = one_life(root, state, None, None)
    print(json.dumps({"at_steps": at_steps, "at_random": at_random, "states": state}))


if __name__ == "__main__":
    Path(sys.argv[1]).parent.mkdir(parents=True, exist_ok=True)
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
