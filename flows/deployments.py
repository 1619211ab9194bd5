"""The deployments as ``presslake up`` makes them: those of ``prefect.yaml``, with the schedules of ``presslake.toml``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import requests
import yaml

from flows.settings import CONFIG_FILE
from flows.sources import Entry, load

POOL = "presslake"
_PACKAGE = Path(__file__).resolve().parent


def deployments(folder: Path) -> dict[str, Any]:
    """Return what ``prefect deploy`` shall read, for runs in ``folder``.

    Raises:
        UsageError: ``presslake.toml`` is wrong.
    """
    # An installed package carries the file; in a clone it stands at the root.
    source = next(p for p in (_PACKAGE / "prefect.yaml", _PACKAGE.parent / "prefect.yaml") if p.exists())
    declared: dict[str, Any] = yaml.safe_load(source.read_text(encoding="utf-8"))
    entries = load(folder) if (folder / CONFIG_FILE).exists() else []
    declared["pull"] = [{"prefect.deployments.steps.set_working_directory": {"directory": str(folder)}}]
    for deployment in declared["deployments"]:
        deployment["entrypoint"] = str(_PACKAGE.parent / deployment["entrypoint"])
        if deployment["name"] == "sync":
            deployment["schedules"] = _schedules(deployment["schedules"], entries)
    return declared


def _schedules(hourly: list[dict[str, Any]], entries: list[Entry]) -> list[dict[str, Any]]:
    own = [
        {
            "cron": entry.schedule, "timezone": "UTC", "active": True, "slug": _slug(entry.source.given),
            "parameters": {"only": entry.source.given},
        }
        for entry in entries if entry.schedule
    ]  # fmt: skip
    # With nothing to read, or nothing but what has its own times, the hourly run would only fail or do nothing.
    is_needed = any(entry.schedule is None for entry in entries)
    return [{**schedule, "active": schedule["active"] and is_needed} for schedule in hourly] + own


def _slug(given: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", given.lower()).strip("-")[:100] or "source"


def forget_schedules(api: str, declared: dict[str, Any]) -> None:
    """Remove schedules that a server still has of sources that are no longer declared: deploying adds only."""
    for deployment in declared["deployments"]:
        flow = deployment["entrypoint"].rpartition(":")[2]
        known = requests.get(f"{api}/deployments/name/{flow}/{deployment['name']}", timeout=10).json()
        slugs = {schedule["slug"] for schedule in deployment["schedules"]}
        for schedule in known["schedules"]:
            if schedule.get("slug") not in slugs:
                requests.delete(f"{api}/deployments/{known['id']}/schedules/{schedule['id']}", timeout=10)
