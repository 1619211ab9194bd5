"""Processes for risky work: whatever one item does, the others are done, in order, and nothing is left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from riskywork import failed, work

from flows.workers import Workers
from schemas.errors import PresslakeError

ROOT = Path(__file__).resolve().parents[1]
Make = Callable[..., "Workers[str, str]"]


@pytest.fixture
def workers() -> Iterator[Make]:
    made: list[Workers[str, str]] = []

    def make(count: int = 2, timeout_s: float = 30.0) -> Workers[str, str]:
        made.append(Workers(work, failed, count=count, timeout_s=timeout_s))
        return made[-1]

    yield make
    for pool in made:
        pool.stop()


def test_results_come_in_the_order_of_the_items(workers: Make) -> None:
    items = [f"say {number}" for number in range(1000)]
    pool = workers()
    assert pool.map(items) == [str(number) for number in range(1000)]
    assert pool.map([]) == []


def test_large_items_and_results_pass(workers: Make) -> None:
    assert workers().map(["say " + "y" * 30_000_000, "large 30000000"]) == ["y" * 30_000_000, "x" * 30_000_000]


@pytest.mark.parametrize("deed", ["loop", "regex", "sleep 60"])
def test_what_never_ends_costs_its_time_and_only_itself(workers: Make, deed: str) -> None:
    items = [*(f"say {n}" for n in range(40)), deed, *(f"say {n}" for n in range(40, 80))]
    began = time.monotonic()
    results = workers(timeout_s=1.0).map(items)
    assert results.pop(40) == f"{deed}: extraction_timeout"
    assert results == [str(n) for n in range(80)]
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("deed", ["segfault", "exit 3", "exit 0", "kill", "eat", "panic", "unpicklable"])
def test_what_brings_its_process_down_costs_only_itself(workers: Make, deed: str) -> None:
    items = [*(f"say {n}" for n in range(40)), deed, *(f"say {n}" for n in range(40, 80))]
    results = workers().map(items)
    assert results.pop(40) == f"{deed}: extraction_crashed"
    assert results == [str(n) for n in range(80)]


def test_many_bad_items_are_told_one_by_one(workers: Make) -> None:
    items = ["segfault", "say a", "kill", "loop", "say b", "exit 1", "loop", "say c"]
    assert workers(timeout_s=0.5).map(items) == [
        "segfault: extraction_crashed", "a", "kill: extraction_crashed", "loop: extraction_timeout", "b",
        "exit 1: extraction_crashed", "loop: extraction_timeout", "c",
    ]  # fmt: skip


def test_an_innocent_item_of_a_killed_worker_gets_a_second_chance(workers: Make, tmp_path: Path) -> None:
    assert workers().map(["say a", f"once {tmp_path / 'mark'}", "say b"]) == ["a", "survived", "b"]


def test_workers_killed_at_any_moment_lose_nothing(workers: Make) -> None:
    pool = workers()
    pool.map(["say warm", "say up"])
    stopped = threading.Event()

    def kill() -> None:
        while not stopped.wait(0.5):
            for worker in list(pool._staff):
                # A worker that is closed meanwhile has no process any more.
                with suppress(ValueError):
                    worker.process.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        results = pool.map(["sleep 0.002"] * 1500)
    finally:
        stopped.set()
        killer.join()
    assert set(results) <= {"None", "sleep 0.002: extraction_crashed"}
    assert len(results) == 1500 and results.count("None") > 1490


def test_a_worker_that_died_idle_is_replaced(workers: Make) -> None:
    pool = workers(count=1)
    (before,) = pool.map(["pid"])
    os.kill(int(before), signal.SIGKILL)
    (after,) = pool.map(["pid"])
    assert after.isdigit() and after != before


def test_what_was_begun_ends_when_it_is_stopped(workers: Make) -> None:
    """What waits its turn behind it, too: it would start processes that nobody wants."""
    pool = workers()
    results = [pool.begin(["sleep 60", "sleep 60"]) for _ in range(3)]
    while len([worker for worker in pool._staff if worker.owes]) < 2:
        time.sleep(0.01)
    began = time.monotonic()
    pool.stop()
    assert time.monotonic() - began < 20
    assert not [child for child in multiprocessing.active_children() if child.name == "presslake-worker"]
    for result in results:
        with pytest.raises((PresslakeError, OSError, ValueError)):
            result()
    assert pool.map(["say again"]) == ["again"]


def test_workers_that_cannot_start_are_an_error_not_a_loop(workers: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    import flows.workers

    monkeypatch.setattr(flows.workers, "_serve", _dies)
    with pytest.raises(PresslakeError, match="end as soon as they start"):
        workers().map(["say a"])


def _dies(*_: object) -> None:
    os._exit(9)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


_PROGRAM = """
import sys
sys.path[:0] = [{root!r}, {tests!r}]
from riskywork import failed, work
from flows.workers import Workers
if __name__ == "__main__":
    pool = Workers(work, failed, count=2, timeout_s=4.0)
    print(*pool.map(["pid"] * 8), flush=True)
    pool.map(["loop"] * 8)
"""


@pytest.mark.parametrize(("ending", "within_s"), [(signal.SIGINT, 5), (signal.SIGTERM, 5), (signal.SIGKILL, 9)])
def test_no_process_outlives_its_parent(tmp_path: Path, ending: signal.Signals, within_s: float) -> None:
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM.format(root=str(ROOT), tests=str(ROOT / "tests")))
    parent = subprocess.Popen(
        [sys.executable, str(program)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert parent.stdout is not None
    pids = {int(pid) for pid in parent.stdout.readline().split()}
    time.sleep(0.5)
    began = time.monotonic()
    parent.send_signal(ending)
    parent.wait(timeout=5)
    while any(map(_alive, pids)) and time.monotonic() - began < within_s:
        time.sleep(0.05)
    assert not any(map(_alive, pids))
    parent.stdout.close()
