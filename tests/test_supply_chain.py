"""What presslake is made of, and that none of it calls home: importing asks nobody anything."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for floor in ("schemas", "warehouse", "flows")
    for path in (ROOT / floor).rglob("*.py")
    if path.stem != "__init__"
)
_WATCHED = """
import importlib, sys
asked = []
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        asked.append((event, arguments[-1]))
        raise PermissionError(f"network at import: {event} {arguments}")
sys.addaudithook(watch)
for name in sys.argv[1:]:
    importlib.import_module(name)
import time
time.sleep(1)  # for what a thread may still be about
assert not asked, asked
print(len(sys.argv) - 1)
"""


@pytest.fixture(scope="module")
def supply() -> Any:
    spec = importlib.util.spec_from_file_location("supply", ROOT / "docs" / "supply.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.timeout(200)
def test_importing_asks_nobody_anything() -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("CI", "GITHUB"))}
    environment |= {"PYTHONPATH": str(ROOT), "DO_NOT_TRACK": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED, *MODULES], capture_output=True, text=True, cwd=ROOT, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(MODULES) > 80


def test_tracking_a_run_tells_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    # What Prefect reports to its makers, it decides when it is imported; presslake says no before that.
    code = """
import os, sys
os.environ.pop("DO_NOT_TRACK", None)
os.environ["PREFECT_API_URL"] = "http://127.0.0.1:9/api"
from flows import tracking
tracking._require_answer = lambda address: None
sys.modules["flows.tracked"] = type(sys)("flows.tracked")
sys.modules["flows.tracked"].in_flow = lambda *given: print(os.environ.get("DO_NOT_TRACK"), "prefect" in sys.modules)
tracking.run_tracked("ingest", "t", None)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.split() == ["1", "False"], done.stderr
    assert '"DO_NOT_TRACK": "1"' in (ROOT / "flows" / "up.py").read_text()


def test_every_package_is_locked_with_its_hashes(supply: Any) -> None:
    hashes = supply.hashes()
    for part in supply.parts():
        assert hashes.get(supply.canonicalize_name(part.name)), f"{part.name} is not locked with a hash"
    assert not re.search(r"https?://", (ROOT / ".constraints" / "constraints.txt").read_text())


def test_the_list_of_licences_is_true(supply: Any) -> None:
    assert (ROOT / "docs" / "licences.md").read_text(encoding="utf-8") == supply.licences(), "run: make docs"
    assert "not stated" not in supply.licences()


def test_the_bill_of_materials_is_whole(supply: Any) -> None:
    bill = json.loads(json.dumps(supply.sbom()))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    names = {component["name"] for component in bill["components"]}
    assert {"duckdb", "pyarrow", "deltalake", "prefect", "requests", "lxml"} <= names
    assert not names & {"pytest", "ruff", "moto", "presslake"}
    for component in bill["components"]:
        assert component["version"] and component["purl"] and component["licenses"] and component["properties"]
