"""``presslake up`` for real: server, worker, schedule, runs that are triggered, cancelled and killed, and a restart."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from lakes import query
from prefect.settings import get_current_settings
from processes import children, family, listening, processes
from test_flows_cli import ROOT, presslake

pytestmark = pytest.mark.timeout(600)
_PATIENCE_S = 240.0


def site_of(wordpress: Any) -> str:
    return str(wordpress.url).removeprefix("http://")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Alerts:
    """A webhook, and what it was told."""

    def __init__(self) -> None:
        told = self.told = list[dict[str, Any]]()

        class Hook(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Hook)
        self.url = f"http://127.0.0.1:{self._server.server_port}/alerts"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Up:
    """``presslake up`` in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.api = f"http://127.0.0.1:{self.port}/api"
        self.environment = {**os.environ, "PRESSLAKE_HOME": str(ROOT), "PREFECT_API_URL": self.api}

    def start(self) -> None:
        command = [sys.executable, "-m", "flows.cli", "up", "--port", str(self.port)]
        self.process = subprocess.Popen(
            command, cwd=self.folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert f"http://127.0.0.1:{self.port}" in line, self.process.communicate()[1]

    def end(self, how: signal.Signals = signal.SIGINT) -> tuple[int, str, float]:
        """Return the exit code, what was said, and the seconds it took."""
        began = time.monotonic()
        self.process.send_signal(how)
        said = self.process.communicate(timeout=60)[1]
        return self.process.returncode, said, time.monotonic() - began

    def post(self, route: str, body: dict[str, Any]) -> Any:
        return requests.post(f"{self.api}/{route}", json=body, timeout=30)

    def deployment(self, name: str) -> Any:
        return requests.get(f"{self.api}/deployments/name/{name}/{name}", timeout=30).json()

    def trigger(self, name: str, parameters: dict[str, Any]) -> Any:
        route = f"deployments/{self.deployment(name)['id']}/create_flow_run"
        # SQLite lets one writer in at a time; the server answers 503 to others.
        for _ in range(20):
            answer = self.post(route, {"parameters": parameters})
            if answer.status_code != 503:
                break
            time.sleep(1)
        assert answer.status_code < 500, answer.text
        return answer

    def whole_state(self, run: str) -> Any:
        return requests.get(f"{self.api}/flow_runs/{run}", timeout=30).json()["state"]

    def state(self, run: str) -> str:
        return str(self.whole_state(run)["type"])

    def ended(self, run: str) -> str:
        ends = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        return str(self.until(lambda: state if (state := self.state(run)) in ends else None, f"the end of {run}"))

    def until(self, is_so: Callable[[], Any], what: str) -> Any:
        """Return what is asked for once it is there; a wait in vain ends with the story."""
        limit = time.monotonic() + _PATIENCE_S
        while not (found := is_so()):
            if time.monotonic() > limit:
                pytest.fail(f"never: {what}\n{self.story()}", pytrace=False)
            time.sleep(0.3)
        return found

    def story(self) -> str:
        """Return what the server knows of all runs whose time has come, and the worker's last words."""
        runs = self.post("flow_runs/filter", {"sort": "EXPECTED_START_TIME_ASC"}).json()
        told = [
            " ".join(str(run[about]) for about in ("id", "name", "state_name", "expected_start_time", "total_run_time"))
            for run in runs
            if run["state_name"] != "Scheduled"
        ]
        log = (self.folder / ".presslake" / "worker.log").read_text(errors="replace")
        return "\n".join([*told, *log.splitlines()[-30:]])

    def scheduled_since(self, moment: datetime) -> dict[str, Any]:
        """Return a complete run of ``sync`` that nobody triggered, begun after a moment."""
        wanted = {
            "flow_runs": {
                "state": {"type": {"any_": ["COMPLETED"]}},
                "start_time": {"after_": moment.isoformat()},
            },
            "deployments": {"name": {"any_": ["sync"]}},
        }  # fmt: skip
        run: dict[str, Any]
        run, *_ = self.until(
            lambda: [run for run in self.post("flow_runs/filter", wanted).json() if run["auto_scheduled"]],
            "a scheduled run",
        )
        return run

    def pause(self, name: str) -> None:
        """Let nothing start by itself any more."""
        self.post(f"deployments/{self.deployment(name)['id']}/pause_deployment", {}).raise_for_status()

    def texts(self, run: str) -> list[str]:
        wanted = {"logs": {"flow_run_id": {"any_": [run]}}, "sort": "TIMESTAMP_ASC"}
        return [entry["message"] for entry in self.post("logs/filter", wanted).json()]

    def artifacts(self, run: str) -> dict[str, Any]:
        wanted = {"artifacts": {"flow_run_id": {"any_": [run]}}}
        return {entry["type"]: entry for entry in self.post("artifacts/filter", wanted).json()}


@pytest.fixture(scope="module")
def alerts() -> Iterator[Alerts]:
    hook = Alerts()
    yield hook
    hook.stop()


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, wordpress_server: Any, alerts: Alerts) -> Iterator[Up]:
    """A started one: a real WordPress by its own schedule, read slowly; a folder that the hourly run reads."""
    wordpress_server.reset()
    folder = tmp_path_factory.mktemp("up")
    (folder / "notes").mkdir()
    for number in range(5):
        (folder / "notes" / f"{number}.md").write_text(f"# Note {number}\n\nText {number}.\n")
    (folder / "presslake.toml").write_text(
        f'[settings]\nlake = "L"\nalert_url = "{alerts.url}"\nstale_hours = 0.006\nmax_retries = 0\n'
        f"per_page = 5\n\n[sources]\n"
        f'"notes" = {{ site = "notes" }}\n'
        f'"{wordpress_server.url}" = {{ schedule = "* * * * *" }}\n'
    )
    up = Up(folder)
    up.start()
    yield up
    if up.process.poll() is None:
        up.end()


def ledger(up: Up, where: str) -> list[tuple[str, str]]:
    presslake("publish", cwd=up.folder)
    rows = query(up.folder / "L", f"SELECT DISTINCT stream, state FROM runs WHERE {where} ORDER BY ALL")
    return [(row["stream"], row["state"]) for row in rows]


def documents(up: Up) -> dict[str, int]:
    rows = query(up.folder / "L", "SELECT site, count(*) AS n FROM documents GROUP BY site")
    return {row["site"]: row["n"] for row in rows}


def test_a_schedule_fires_and_says_what_it_did(up: Up, wordpress_server: Any) -> None:
    run = up.scheduled_since(datetime(2000, 1, 1, tzinfo=UTC))
    assert run["name"] == f"sync {wordpress_server.url}"
    said = up.texts(run["id"])
    assert any("posts: " in text and " of 363 fetched" in text for text in said), said
    left = up.artifacts(run["id"])
    assert (
        "| posts | complete | 363 | 363 | 363 |" in left["markdown"]["data"]
        and "presslake sql --lake" in left["markdown"]["data"]
    )
    assert left["progress"]["data"] > 0
    assert documents(up)[site_of(wordpress_server)] > 363
    (status, *_) = json.loads(presslake("status", "--json", cwd=up.folder).stdout)
    assert status["site"] == site_of(wordpress_server) and status["completeness"] == "complete"
    assert status["next_run_at"] > status["last_run_at"]
    up.pause("sync")


def test_a_triggered_run_checks_its_parameters(up: Up) -> None:
    refused = up.trigger("backfill", {"source": "http://127.0.0.1:9", "since": "2024-01-01", "window": "eon"})
    assert refused.status_code in (409, 422) and "until" in refused.text
    run = up.trigger("sync", {"only": "notes"}).json()["id"]
    assert up.ended(run) == "COMPLETED" and documents(up)["notes"] == 5


def test_a_run_that_waits_for_its_turn_asks_whenever_the_worker_looks(up: Up) -> None:
    place = f"{up.api}/v2/concurrency_limits/{up.deployment('publish')['global_concurrency_limit']['id']}"
    requests.patch(place, json={"active_slots": 1}, timeout=30).raise_for_status()
    run = up.trigger("publish", {}).json()["id"]
    waits = up.until(
        lambda: state if (state := up.whole_state(run))["name"] == "AwaitingConcurrencySlot" else None,
        "a run that waits",
    )
    requests.patch(place, json={"active_slots": 0}, timeout=30).raise_for_status()
    asked, asks = waits["timestamp"], waits["state_details"]["scheduled_time"]
    # Else runs that are scheduled later, and ask when it does not, go first, time after time.
    every = timedelta(seconds=get_current_settings().worker.query_seconds)
    assert datetime.fromisoformat(asks) - datetime.fromisoformat(asked) < every
    assert up.ended(run) == "COMPLETED"


def test_it_listens_to_this_machine_only(up: Up) -> None:
    heard = listening(family(up.process.pid))
    assert up.port in heard
    assert set().union(*heard.values()) <= {"0100007F", "00000000000000000000000001000000"}


def test_a_run_that_is_not_complete_alerts(up: Up, alerts: Alerts) -> None:
    failing = up.trigger("sync", {"only": "http://127.0.0.1:9/gone"}).json()["id"]
    assert up.ended(failing) == "FAILED"  # the file names no such source
    with (up.folder / "presslake.toml").open("a") as file:
        file.write('"http://127.0.0.1:9/gone" = { schedule = "0 0 1 1 *" }\n')
    failing = up.trigger("sync", {"only": "http://127.0.0.1:9/gone"}).json()["id"]
    assert up.ended(failing) == "FAILED"
    told = up.until(lambda: [alert for alert in alerts.told if alert["alert"] == "partial"], "an alert")[0]
    assert told["site"] == "127.0.0.1:9/gone" and "127.0.0.1:9/gone is incomplete" in told["text"], told
    assert ledger(up, "site = '127.0.0.1:9/gone'") == [("site", "failed")]
    stale = up.until(lambda: [alert for alert in alerts.told if alert["alert"] == "stale"], "a stale site")[0]
    assert "no complete run for 0.006 hours" in stale["text"]


def _slow(up: Up, wordpress_server: Any) -> str:
    """Trigger a run that takes a while, and return it once it is at work."""
    run = str(up.trigger("ingest", {"sources": [wordpress_server.url], "full": True}).json()["id"])
    up.until(lambda: up.artifacts(run) or any("fetched" in text for text in up.texts(run)), "a first batch")
    assert up.state(run) == "RUNNING"
    return run


def test_a_cancelled_run_stands_in_the_ledger(up: Up, wordpress_server: Any) -> None:
    run = _slow(up, wordpress_server)
    state = {"state": {"type": "CANCELLING", "message": "enough"}, "force": False}
    up.post(f"flow_runs/{run}/set_state", state)
    assert up.ended(run) == "CANCELLED"
    assert {state for _, state in ledger(up, "command = 'ingest'")} & {"interrupted", "crashed"}
    assert presslake("check", "--quick", cwd=up.folder).returncode == 0


def test_a_killed_worker_costs_nothing_and_a_restart_goes_on(up: Up, wordpress_server: Any) -> None:
    run = _slow(up, wordpress_server)
    (worker,) = [pid for pid, command in children(up.process.pid) if "worker" in command]
    engines = [pid for pid, _ in children(worker)]
    for pid in (*engines, worker):
        os.kill(pid, signal.SIGKILL)
    said = up.process.communicate(timeout=60)[1]
    assert up.process.returncode == 1 and "Prefect's worker ended with code -9" in said and "worker.log" in said
    restarted = datetime.now(UTC)
    up.start()
    # What was under way is known to have died and gave back its place, and history is still there.
    assert up.state(run) == "CRASHED"
    again = up.trigger("ingest", {"sources": [wordpress_server.url]}).json()["id"]
    assert up.ended(again) == "COMPLETED"
    up.scheduled_since(restarted)
    # What follows is not to wait for its turns.
    up.pause("sync")
    assert "crashed" in {state for _, state in ledger(up, "command = 'ingest'")}
    wanted = "SELECT COUNT(*) AS n FROM wp_posts WHERE post_type = 'post' AND post_status = 'publish'"
    held = "SELECT count(*) AS n FROM documents WHERE kind = 'post' AND site = ?"
    assert query(up.folder / "L", held, [site_of(wordpress_server)]) == wordpress_server.sql(wanted)
    assert presslake("check", cwd=up.folder).returncode == 0


def test_prefects_own_command_deploys_from_the_clone(up: Up) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"], cwd=ROOT, env=up.environment,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    deployed = requests.get(f"{up.api}/deployments/name/ingest/ingest", timeout=30).json()
    assert deployed["entrypoint"] == "flows/ingest.py:ingest"
    run = up.trigger("ingest", {"sources": ["examples"], "lake": str(up.folder / "other")}).json()["id"]
    assert up.ended(run) == "COMPLETED", up.texts(run)
    assert len(query(up.folder / "other", "SELECT * FROM documents")) > 10


def test_ctrl_c_ends_it_soon_and_for_good(up: Up) -> None:
    held = subprocess.run([sys.executable, "-m", "flows.cli", "up", "--port", str(up.port)], cwd=ROOT,
                          capture_output=True, text=True)  # fmt: skip
    assert held.returncode == 2 and f"Port {up.port} is taken" in held.stderr
    code, _, seconds = up.end()
    assert code == 130 and seconds < 15
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{up.api}/health", timeout=5)
    assert not [line for _, line in processes() if "prefect" in line and str(up.port) in line]
