"""When each site is read next: asked from the Prefect server that ``presslake up`` runs, or PREFECT_API_URL."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.settings import CONFIG_FILE
from flows.sources import Entry, load

FOLDER = ".presslake"
STATE = "up.json"
"""Where ``presslake up`` keeps what it knows, beside ``presslake.toml``; and there, how its server is reached."""
_AT_MOST_S = 2.0


def next_runs(folder: Path) -> dict[str, datetime]:
    """Return when the next scheduled run of each site of ``presslake.toml`` begins; nothing where nobody schedules."""
    api = os.environ.get("PREFECT_API_URL") or _of_up(folder)
    if not api or not (folder / CONFIG_FILE).exists():
        return {}
    entries = load(folder)
    found: dict[str, datetime] = {}
    for run in _scheduled(api.rstrip("/")):
        moment = datetime.fromisoformat(run["expected_start_time"].replace("Z", "+00:00"))
        for entry in entries:
            if entry.own is not None and _reads(run["parameters"], entry):
                found.setdefault(entry.own, moment)
    return found


def _of_up(folder: Path) -> str | None:
    with suppress(OSError, ValueError, KeyError):
        return str(json.loads((folder / FOLDER / STATE).read_text())["api"])
    return None


def _scheduled(api: str) -> list[dict[str, Any]]:
    import requests

    wanted = {
        "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
        "deployments": {"name": {"any_": ["sync"]}},
        "sort": "EXPECTED_START_TIME_ASC",
        "limit": 200,
    }
    # That nobody answers is for the server's own watchers to tell.
    with suppress(requests.RequestException, ValueError):
        answer = requests.post(f"{api}/flow_runs/filter", json=wanted, timeout=_AT_MOST_S)
        answer.raise_for_status()
        return list(answer.json())
    return []


def _reads(parameters: dict[str, Any], entry: Entry) -> bool:
    if parameters.get("only"):
        return entry.is_meant(parameters["only"])
    return not (parameters.get("leave_scheduled") and entry.schedule)
