"""``presslake up``: Prefect's server, its UI, the deployments and a worker, on loopback, until Ctrl-C.

Everything runs in processes of its own; what the server knows is kept in ``.presslake`` in the folder of
``presslake.toml``, so that the next start goes on where this one ended. Nothing here imports Prefect: it takes seconds.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests
import yaml

from flows.deployments import POOL, deployments, forget_schedules
from flows.settings import Settings
from flows.upcoming import FOLDER, STATE
from schemas.errors import LakeError, UsageError
from warehouse.places import absolute

_START_S = 180.0
_STOP_S = 4.0


class Up:
    """The processes of one ``presslake up``."""

    def __init__(self, settings: Settings, folder: Path, port: int) -> None:
        """Prepare; ``folder`` is where ``presslake.toml`` is and where flows will run."""
        self.settings, self.folder, self.port = settings, folder, port
        self.home = folder / FOLDER
        self.address = f"http://127.0.0.1:{port}"
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def environment(self) -> dict[str, str]:
        """What the processes are told: one server on loopback, no telemetry, and where the lake and its sources are."""
        return {
            **os.environ,
            "PREFECT_HOME": str(self.home),
            "PREFECT_API_URL": f"{self.address}/api",
            "PREFECT_UI_API_URL": f"{self.address}/api",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_CLI_PROMPT": "false",
            "PREFECT_LOGGING_EXTRA_LOGGERS": "presslake",
            # A run whose process dies falls silent; the automation for that counts three missed beats.
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
            # A run that waits for its turn asks at every look of the worker, of ten seconds. After half a minute, as by
            # default, those scheduled later would ask first, time after time where a schedule is dense (measured).
            "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "5",
            # Task runs are recorded a hundred at a time: a fifth of the server's work (measured).
            "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
            "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
            "PRESSLAKE_HOME": str(self.folder),
            "PRESSLAKE_LAKE": absolute(self.settings.lake),
            # The log of a process is read while it runs.
            "PYTHONUNBUFFERED": "1",
        }  # fmt: skip

    def start(self) -> list[str]:
        """Start everything; return the names of what was deployed.

        Raises:
            UsageError: the port is taken, or ``presslake.toml`` is wrong.
            LakeError: the server or the worker did not start; the message says where its log is.
        """
        self._require_free_port()
        self.home.mkdir(exist_ok=True, mode=0o700)
        declared, file = deployments(self.folder), self.home / "prefect.yaml"
        file.write_text(yaml.safe_dump(declared, sort_keys=False), encoding="utf-8")
        self._spawn("server", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self.port))
        self._until("server", lambda: self._get("health") is not None)
        self._bury()
        self._spawn("worker", "prefect", "worker", "start", "--pool", POOL, "--type", "process", "--name", "presslake")
        self._until("worker", lambda: self._get(f"work_pools/{POOL}") is not None)
        self._perform("deploy", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(file))
        forget_schedules(f"{self.address}/api", declared)
        self._perform("automations", "flows.alerts")
        (self.home / STATE).write_text(json.dumps({"api": f"{self.address}/api"}))
        return [deployment["name"] for deployment in declared["deployments"]]

    def wait(self) -> None:
        """Return when one of the processes ends.

        Raises:
            LakeError: always: none of them should.
        """
        while True:
            for name, process in self._running.items():
                if process.poll() is not None:
                    raise self._failed(name, f"ended with code {process.returncode}")
            time.sleep(0.5)

    def stop(self) -> None:
        """Stop the worker with its runs, tell the server that they ended, then stop the server."""
        (self.home / STATE).unlink(missing_ok=True)
        self._end("worker")
        self._end_runs()
        with suppress(requests.RequestException):
            self._bury()
        self._end("server")

    def _require_free_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self.port))
            except OSError as error:
                raise UsageError(
                    f"Port {self.port} is taken: is presslake up running already?", remedy="Give another with --port."
                ) from error

    def _spawn(self, name: str, module: str, *arguments: str) -> None:
        with open(self.home / f"{name}.log", "ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", module, *arguments], cwd=self.folder, env=self.environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                # Ctrl-C at the terminal is for us alone: we stop them in order.
                start_new_session=True, preexec_fn=_end_with_parent,
            )  # fmt: skip

    def _perform(self, name: str, module: str, *arguments: str) -> None:
        self._spawn(name, module, *arguments)
        code = self._running[name].wait(_START_S)
        del self._running[name]
        if code:
            raise self._failed(name, f"ended with code {code}")

    def _until(self, name: str, is_up: Any) -> None:
        limit = time.monotonic() + _START_S
        while not is_up():
            if self._running[name].poll() is not None:
                raise self._failed(name, f"ended with code {self._running[name].returncode}")
            if time.monotonic() > limit:
                raise self._failed(name, f"did not answer within {_START_S:.0f} s")
            time.sleep(0.2)

    def _failed(self, name: str, how: str) -> LakeError:
        log = self.home / f"{name}.log"
        return LakeError(f"Prefect's {name} {how}.", remedy=f"Its last words are in {log}.")

    def _get(self, route: str) -> Any:
        with suppress(requests.RequestException):
            answer = requests.get(f"{self.address}/api/{route}", timeout=5)
            return answer.json() if answer.ok else None
        return None

    def _bury(self) -> None:
        """Mark runs that no process does any more, from a stop in the middle or a power cut, as crashed.

        Their places in concurrency limits are free again: the server forgets who held them when it ends.
        """
        api = f"{self.address}/api"
        wanted = {"flow_runs": {"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}}}
        for run in requests.post(f"{api}/flow_runs/filter", json=wanted, timeout=10).json():
            state = {"type": "CRASHED", "message": "presslake up was stopped; what was committed stays."}
            requests.post(f"{api}/flow_runs/{run['id']}/set_state", json={"state": state, "force": False}, timeout=10)
        for limit in requests.post(f"{api}/v2/concurrency_limits/filter", json={"limit": 200}, timeout=10).json():
            if limit["active_slots"]:
                requests.patch(f"{api}/v2/concurrency_limits/{limit['id']}", json={"active_slots": 0}, timeout=10)

    def _end(self, name: str) -> None:
        process = self._running.pop(name, None)
        if process is None:
            return
        for how, patience in ((signal.SIGTERM, _STOP_S), (signal.SIGKILL, 10.0)):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, how)
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience)
                break

    def _end_runs(self) -> None:
        """End the processes of runs that outlived their worker: each is a session of its own."""
        kept = {process.pid for process in self._running.values()}
        limit = time.monotonic() + _STOP_S
        while runs := [pid for pid in _children() if pid not in kept]:
            for pid in runs:
                with suppress(ProcessLookupError, ChildProcessError):
                    os.kill(pid, signal.SIGTERM if time.monotonic() < limit else signal.SIGKILL)
                    os.waitpid(pid, os.WNOHANG)
            time.sleep(0.1)


@contextmanager
def running(settings: Settings, folder: Path, port: int) -> Iterator[tuple[Up, list[str]]]:
    """Start everything, and stop it at the end whatever happens. Gives the processes and what was deployed."""
    up = Up(settings, folder, port)
    _adopt_orphans()
    try:
        yield up, up.start()
    finally:
        up.stop()


def _end_with_parent() -> None:
    """Have the kernel end this process when the one that started it is killed (Linux: prctl(2), PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _adopt_orphans() -> None:
    """Become the parent of runs whose worker died (Linux: prctl(2), PR_SET_CHILD_SUBREAPER), so that they are found."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(36, 1)


def _children() -> list[int]:
    """Return this process's children, adopted ones too (Linux: proc(5); elsewhere none is adopted)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = stat.read_text(errors="replace").rpartition(")")[2].split()[1]
            if int(parent) == os.getpid():
                found.append(int(stat.parent.name))
    return found
