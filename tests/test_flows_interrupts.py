"""Ctrl-C and a service manager's stop: every long command ends soon, says so, and leaves a lake that holds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from breakable_server import BreakableServer
from localinputs import post
from processes import alive
from test_flows_cli import ROOT, presslake

from flows.interrupts import uninterrupted
from flows.jobs import IngestRequest, ingest
from flows.settings import Settings
from warehouse.lake import Lake

POSTS = 4000
# A stop is not measured here; it must only not wait for what is under way (an answer takes 60 s below).
SOON_S = 20.0
# What a report and an export write, whole or not at all.
WRITTEN = ("r.html", "x.jsonl")
INTERRUPTED = "presslake: interrupted; what was committed stays.\n"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough to read for a while."""
    folder = tmp_path_factory.mktemp("inputs")
    text = "<p>" + "A sentence about the harbour and its boats. " * 60 + "</p>"
    with (folder / "posts.ndjson").open("w") as file:
        for number in range(1, POSTS + 1):
            file.write(json.dumps(post(number, content={"rendered": text * 3})) + "\n")
    return folder


@pytest.fixture
def slow(breakable: BreakableServer, tmp_path: Path) -> BreakableServer:
    """A site that answers its first pages, and then takes a minute."""
    site = breakable.site()
    site.fill(posts=60)
    answered, reply = [0], site.reply

    def stalling(*given: object, **more: object) -> object:
        answered[0] += 1
        if answered[0] > 12:
            time.sleep(60)
        return reply(*given, **more)  # type: ignore[arg-type]

    site.reply = stalling  # type: ignore[method-assign, assignment]
    (tmp_path / "presslake.toml").write_text(f'[sources]\n"{breakable.url}" = {{ per_page = 5 }}\n')
    return breakable


def stopped(
    folder: Path,
    how: signal.Signals,
    is_at_work: Callable[[int], bool],
    *command: str,
    presses: int = 1,
    tries: int = 5,
) -> None:
    """Start a command and stop it once it is at work: it must say so in a line, and all its processes must be gone."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PRESSLAKE_BATCH_RECORDS": "200", "PRESSLAKE_PER_PAGE": "5"}
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *command], cwd=folder, env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    limit = time.monotonic() + 120
    while not is_at_work(process.pid):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < limit
        time.sleep(0.05)
    time.sleep(0.3)
    began = time.monotonic()
    for _ in range(presses):
        process.send_signal(how)
        time.sleep(0.02)
    said = process.communicate(timeout=60)[1]
    if process.returncode == 0 and is_at_work is has_loaded_an_engine and tries:
        # It was done before the signal came.
        for made in WRITTEN:
            (folder / made).unlink(missing_ok=True)
        return stopped(folder, how, is_at_work, *command, presses=presses, tries=tries - 1)
    assert process.returncode == 130, said
    assert time.monotonic() - began < SOON_S
    while alive(process.pid):
        assert time.monotonic() - began < SOON_S
        time.sleep(0.05)
    assert said.endswith(INTERRUPTED) and "Traceback" not in said, said


def holds(folder: Path) -> int:
    """Return how many documents the lake has, after proving it."""
    done = presslake("check", "--lake", folder / "L")
    assert done.returncode == 0, done.stdout + done.stderr
    counted = presslake("sql", "select count(*) as n from documents", "--lake", folder / "L", "--format", "json")
    return int(json.loads(counted.stdout)[0]["n"])


def committed(folder: Path, table: str, least: int = 2) -> Callable[[int], bool]:
    """Tell when a table of the lake has so many commits."""
    return lambda _: len(list((folder / "L" / table / "_delta_log").glob("*.json"))) > least


def has_loaded_an_engine(pid: int) -> bool:
    """Tell when a command has come as far as the lake (Linux: proc(5))."""
    mapped = Path(f"/proc/{pid}/maps").read_text()
    return "duckdb" in mapped or "deltalake" in mapped


def test_a_commit_and_its_count_are_one_to_an_interrupt() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        signal.raise_signal(signal.SIGINT)
        done.append("commit")
        signal.raise_signal(signal.SIGINT)
        done.append("count")
    assert done == ["commit", "count"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def ended(deed: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program whose command is a deed of ours, given as the lines of a function's body."""
    program = (
        "import atexit, signal, sys, threading, time, duckdb\n"
        "from flows import cli, commands, interrupts\n"
        "from schemas.errors import UsageError\n"
        "def deed(given):\n" + "".join(f"    {line}\n" for line in deed.splitlines()) + "    return 0\n"
        "atexit.register(print, 'tidied up')\n"
        "commands.COMMANDS['check'] = deed\n"
        "sys.argv = ['presslake', 'check']\n"
        "sys.exit(cli.main())\n"
    )  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", program], cwd=folder or ROOT, env=environment, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(("error", "code", "said"), [
    ("KeyboardInterrupt()", 130, INTERRUPTED),
    ("UsageError('No.', remedy='Stop.')", 2, "presslake: No. Stop.\n"),
], ids=("interrupted", "failed"))  # fmt: skip
def test_what_threads_still_do_does_not_change_how_a_command_ends(error: str, code: int, said: str) -> None:
    """One that reads ahead may be inside an engine when its command is broken off; what must be tidied up is."""
    done = ended(
        "connection = duckdb.connect()\n"
        "def work():\n"
        "    while True:\n"
        "        connection.execute('SELECT count(*) FROM range(1000000)').fetchall()\n"
        "threading.Thread(target=work, daemon=True).start()\n"
        "time.sleep(0.5)\n"
        f"raise {error}\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, "tidied up\n", said)


def test_an_interrupt_in_a_finalizer_is_not_lost() -> None:
    """Python only tells of an exception there, and goes on."""
    done = ended(
        "class Last:\n"
        "    def __del__(self):\n"
        "        signal.raise_signal(signal.SIGTERM)\n"
        "Last()\n"
        "time.sleep(50)\n"
        "print('never')\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "tidied up\n", INTERRUPTED)


def test_no_module_is_left_half_made_by_an_interrupt(tmp_path: Path) -> None:
    """Engines would abort the process."""
    (tmp_path / "engine.py").write_text(
        "import signal, time\nsignal.raise_signal(signal.SIGINT)\ntime.sleep(0.3)\nprint('whole')\n"
    )
    done = ended("sys.path.insert(0, '.')\nimport engine\ntime.sleep(50)\nprint('never')\n", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "whole\ntidied up\n", INTERRUPTED)


def test_more_interrupts_disturb_nobody_who_tidies_up_and_end_what_hangs() -> None:
    tidying = (
        "try:\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "finally:\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "    print('done', flush=True)\n"
    )
    done = ended(tidying)
    assert (done.returncode, done.stdout, done.stderr) == (130, "done\ntidied up\n", INTERRUPTED)
    hangs = "    interrupts._PATIENCE_S = 0.1\n    time.sleep(0.2)\n    signal.raise_signal(signal.SIGINT)\n"
    done = ended(tidying + hangs)
    assert (done.returncode, done.stdout, done.stderr) == (130, "done\n", "")


def test_an_interrupt_while_publishing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: Lake) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("flows.jobs.publish", interrupted)
    (tmp_path / "note.txt").write_text("A note about the harbour.")
    outcome = ingest(IngestRequest((str(tmp_path / "note.txt"),)), Settings(lake=str(tmp_path / "L")))
    assert outcome.exit_code == 130
    assert sum(row["new"] for row in outcome.streams) == 1


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_files(inputs: Path, tmp_path: Path, how: signal.Signals) -> None:
    stopped(tmp_path, how, committed(tmp_path, "documents"), "ingest", str(inputs), "--lake", "L")
    before = holds(tmp_path)
    assert 0 < before < POSTS
    assert presslake("ingest", inputs, "--lake", tmp_path / "L").returncode == 0
    assert holds(tmp_path) == POSTS


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", [
    ("ingest", "URL"), ("sync",),
    ("backfill", "URL", "--since", "2020-01-01", "--until", "2030-01-01", "--window", "year"),
    ("backfill", "URL", "--since", "2020-01-01", "--until", "2030-01-01", "--window", "year", "--workers", "2"),
], ids=("ingest", "sync", "backfill", "backfill side by side"))  # fmt: skip
def test_a_site_that_makes_us_wait(slow: BreakableServer, tmp_path: Path, command: tuple[str, ...],
                                   how: signal.Signals) -> None:  # fmt: skip
    given = [slow.url if word == "URL" else word for word in command]
    asked = len(slow.asked)
    stopped(tmp_path, how, lambda _: len(slow.asked) > asked + 12, *given, "--lake", "L")
    holds(tmp_path)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", [("replay",), ("maintain",), ("check",), ("report", "-o", WRITTEN[0]),
                                     ("export", "--format", "jsonl", "-o", WRITTEN[1])], ids=lambda c: c[0])  # fmt: skip
def test_what_works_on_a_lake(full: Path, tmp_path: Path, command: tuple[str, ...], how: signal.Signals) -> None:
    # Who presses Ctrl-C in a hurry breaks off nothing that tidies up.
    stopped(full, how, has_loaded_an_engine, *command, "--lake", "L", presses=3 if how == signal.SIGINT else 1)
    assert holds(full) == POSTS
    assert not [path for made in WRITTEN for path in full.glob(f"*{made}*")]


@pytest.fixture(scope="module")
def full(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a lake ``L`` that holds it all."""
    folder = tmp_path_factory.mktemp("full")
    assert presslake("ingest", inputs, "--lake", folder / "L").returncode == 0
    return folder
