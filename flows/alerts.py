"""Automations of Prefect's server: who must be told that a site is stale or partial, and that a run's process died.

    python -m flows.alerts        declares them at PREFECT_API_URL, from the settings alert_url and stale_hours

Every run emits one event a site, ``presslake.site.complete``, ``….partial``, ``….blocked`` or ``….failed``, with the
site as its resource; any automation may be built on them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.automations import Automation
from prefect.blocks.webhook import Webhook
from prefect.client.schemas.objects import StateType
from prefect.events.actions import CallWebhook, ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from pydantic import SecretStr

from flows.settings import Settings

BLOCK = "presslake-alerts"
# Flow runs of presslake up beat every 30 s.
_SILENCE = timedelta(seconds=90)
_PAYLOAD = """{
  "alert": "ALERT",
  "site": {{ event.resource.name | tojson }},
  "reason": {{ event.payload.reason | default("") | tojson }},
  "run_id": {{ event.payload.run_id | default("") | tojson }},
  "text": TEXT
}"""


def declare(alert_url: str, stale_hours: float) -> list[str]:
    """Make or renew the automations at the server in force; return their names. Without an address nobody is told."""
    wanted = [_silent()]
    if alert_url:
        block = Webhook(method="POST", url=SecretStr(alert_url)).save(BLOCK, overwrite=True)
        wanted += [_partial(block), _stale(block, timedelta(hours=stale_hours))]
    for automation in wanted:
        try:
            known: Any = Automation.read(name=automation.name)
            automation.id = known.id
            automation.update()
        except ValueError:  # no such automation yet
            automation.create()
    return [automation.name for automation in wanted]


def _silent() -> Automation:
    trigger = EventTrigger(
        after={"prefect.flow-run.heartbeat"},
        expect={"prefect.flow-run.heartbeat", *(f"prefect.flow-run.{state}" for state in _ENDS)},
        match={"prefect.resource.id": ["prefect.flow-run.*"]},
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive, threshold=1, within=_SILENCE,
    )  # fmt: skip
    said = "Its process fell silent; what it committed stays."
    return Automation(
        name="presslake: a run fell silent",
        description="Marks runs as crashed whose process no longer gives a sign of life.",
        trigger=trigger,
        actions=[ChangeFlowRunState(name="Crashed", state=StateType.CRASHED, message=said, force=False)],
    )


_ENDS = ("Completed", "Failed", "Crashed", "Cancelled", "Paused", "Suspended")


def _partial(block: Any) -> Automation:
    trigger = EventTrigger(
        expect={f"presslake.site.{standing}" for standing in ("partial", "blocked", "failed")},
        match={"prefect.resource.id": "presslake.site.*"},
        for_each={"prefect.resource.id"},
        posture=Posture.Reactive, threshold=1, within=timedelta(0),
    )  # fmt: skip
    text = '{{ (event.resource.name ~ " is incomplete: " ~ event.payload.reason) | tojson }}'
    return Automation(
        name="presslake: a run of a site was partial",
        description="Tells the webhook of every run of a site that was not complete, and why.",
        trigger=trigger, actions=[_call(block, "partial", text)],
    )  # fmt: skip


def _stale(block: Any, within: timedelta) -> Automation:
    trigger = EventTrigger(
        after={"presslake.site.*"},
        expect={"presslake.site.complete"},
        match={"prefect.resource.id": "presslake.site.*"},
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive, threshold=1, within=within,
    )  # fmt: skip
    hours = f"{within / timedelta(hours=1):g}"
    text = '{{ (event.resource.name ~ " has had no complete run for HOURS hours") | tojson }}'
    return Automation(
        name="presslake: a site is stale",
        description=f"Tells the webhook of sites without a complete run for {hours} hours.",
        trigger=trigger, actions=[_call(block, "stale", text.replace("HOURS", hours))],
    )  # fmt: skip


def _call(block: UUID, alert: str, text: str) -> CallWebhook:
    return CallWebhook(block_document_id=block, payload=_PAYLOAD.replace("ALERT", alert).replace("TEXT", text))


if __name__ == "__main__":
    settings = Settings.load()
    print("\n".join(declare(settings.alert_url, settings.stale_hours)))
