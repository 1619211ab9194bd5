"""Pictures for the docs, of the real thing: Prefect's page of a run under ``presslake up``, and a report.

python docs/screenshots.py        writes docs/images/*.png; needs Debian's Chromium, as the tests do
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
IMAGES = ROOT / "docs" / "images"
PORT = 4277
API = f"http://127.0.0.1:{PORT}/api"


def asked(route: str, body: dict[str, Any] | None = None) -> Any:
    """Return what the server answers: to a POST of ``body``, or to a GET."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{API}/{route}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def finished_run() -> str:
    """Read the examples and return the run's id once it has ended."""
    deployment = asked("deployments/name/sync/sync")["id"]
    run = str(asked(f"deployments/{deployment}/create_flow_run", {"parameters": {}})["id"])
    for _ in range(120):
        if asked(f"flow_runs/{run}")["state"]["type"] in ("COMPLETED", "FAILED", "CRASHED"):
            return run
        time.sleep(1)
    raise TimeoutError("the run did not end")


def pictures(run: str, report: Path) -> None:
    """Take the pictures of a run's page, of its summary, and of a report."""
    from browser import browser

    with browser() as chromium:
        page = chromium.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
        page.goto(f"http://127.0.0.1:{PORT}/runs/flow-run/{run}")
        page.get_by_text("Logs", exact=True).first.click(timeout=60_000)
        page.wait_for_timeout(3000)
        page.screenshot(path=str(IMAGES / "run.png"))
        (artifact,) = asked(
            "artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run]}, "type": {"any_": ["markdown"]}}}
        )
        page.goto(f"http://127.0.0.1:{PORT}/artifacts/artifact/{artifact['id']}")
        page.wait_for_timeout(3000)
        page.screenshot(path=str(IMAGES / "artifact.png"))
        page.goto(report.as_uri())
        page.screenshot(path=str(IMAGES / "report.png"))


def main() -> None:
    """Run everything in a folder that is gone afterwards."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="presslake-") as folder:
        shutil.copytree(ROOT / "examples", Path(folder) / "examples")
        (Path(folder) / "presslake.toml").write_text('[sources]\n"examples" = {}\n')
        environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": folder}
        command = [sys.executable, "-m", "flows.cli"]
        up = subprocess.Popen(
            [*command, "up", "--port", str(PORT)], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
        )
        try:
            assert up.stdout is not None and str(PORT) in up.stdout.readline()
            run = finished_run()
            report = Path(folder) / "report.html"
            subprocess.run([*command, "report", "-o", str(report)], cwd=folder, check=True, env=environment)
            pictures(run, report)
        finally:
            up.terminate()
            up.wait(30)


if __name__ == "__main__":
    main()
