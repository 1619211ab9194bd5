"""What the Prefect flows share: a run's frame, its parts as tasks, its summary and events, its hooks."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from prefect import flow, get_client, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.concurrency.sync import concurrency
from prefect.events import emit_event
from prefect.exceptions import ObjectAlreadyExists

from flows.following import Follower, GlobalLimits, artifact_key
from flows.jobs import Outcome, Tracking
from flows.settings import Settings
from flows.summaries import markdown_summary, standings
from schemas.errors import PresslakeError, SourceError, TransientSourceError
from warehouse.catalog import publish
from warehouse.lake import Lake
from warehouse.underway import mend_ledger

# The client has tried for minutes by then; what helps is to come again when the site's host is back.
RETRY_AFTER_S = [60.0, 300.0]
# A worker that died holds a site's turn for so long.
_LEASE_S = 90.0


def tracking(*, again: bool = True) -> Tracking:
    """Return what ties a job to the flow run it is called in.

    ``again``: try a part again when its site does not answer; needless where a schedule does so anyway.
    """
    return Tracking(
        watch=Follower(get_run_logger()), gate=GlobalLimits(), part=part if again else partial(part, tries=1)
    )


def _may_pass(task: Any, run: Any, state: State[Any]) -> bool:
    """Tell whether a failure may pass by itself: what a site refuses or a lake cannot do stays as it is."""
    return isinstance(state.result(raise_on_failure=False), TransientSourceError)


@task(name="part", task_run_name="{title}", retry_delay_seconds=RETRY_AFTER_S, retry_condition_fn=_may_pass,
      cache_policy=NO_CACHE)  # fmt: skip
def _part(title: str, outcome: Outcome, read: Callable[[], None], alone: str | None, failed: int) -> str:
    # What an earlier try said of this part counts no more.
    del outcome.failures[failed:]
    if alone is None:
        read()
    else:
        name = _turn(alone)
        with concurrency(name, occupy=1, lease_duration=_LEASE_S):
            read()
    if len(outcome.failures) > failed:
        # The task fails, so that it is seen, and tried again if that may help.
        raise outcome.failures[-1][1]
    return f"{len(outcome.streams)} streams so far"


def part(
    title: str,
    outcome: Outcome,
    read: Callable[[], None],
    alone: str | None = None,
    tries: int = 1 + len(RETRY_AFTER_S),
) -> None:
    """Do a part of a run as a task of its own; one that fails is an entry in the outcome, not the end of the run."""
    with suppress(SourceError):
        _part.with_options(retries=tries - 1)(title, outcome, read, alone, len(outcome.failures))


def _turn(site: str) -> str:
    """Return the name of the limit by which runs of a site wait for each other, made if need be."""
    name = "presslake-site-" + re.sub(r"[^\w.-]+", "-", site)
    with get_client(sync_client=True) as client, suppress(ObjectAlreadyExists):
        client.upsert_global_concurrency_limit_by_name(name, 1)
    return name


def summarise(outcome: Outcome) -> Outcome:
    """Leave the run's summary as an artifact, tell automations how each site stands, and hand the outcome on."""
    create_markdown_artifact(
        key=artifact_key("summary"),
        markdown=markdown_summary(outcome),
        description="What the run did",
    )
    for site, standing, reason in standings(outcome):
        emit_event(
            f"presslake.site.{standing}",
            resource={"prefect.resource.id": f"presslake.site.{site}", "prefect.resource.name": site},
            payload={"run_id": outcome.run_id, "reason": reason},
        )
    return outcome


def in_flow(command: str, title: str, job: Callable[[Tracking], Outcome]) -> Outcome:
    """Run a job that the command line prepared as a flow run; the command line decides on the exit code."""
    done: list[Outcome] = []

    @flow(name=command, flow_run_name=title.replace("{", "(").replace("}", ")"), persist_result=False)
    def followed() -> None:
        done.append(summarise(job(tracking())))
        if done[0].interrupted:
            raise KeyboardInterrupt

    try:
        followed()
    except KeyboardInterrupt:
        if not done:
            raise
    return done[0]


def report(outcome: Outcome) -> dict[str, Any]:
    """Leave the summary as an artifact and return the result object.

    Raises:
        PresslakeError: nothing could be read at all, so the flow run fails.
    """
    summarise(outcome)
    if outcome.exit_code == 1:
        raise PresslakeError("; ".join(str(error) for _, error in outcome.failures))
    return outcome.as_json()


def mend(flow: Any, run: Any, state: State[Any]) -> None:
    """Leave the ledger true behind a flow run that was killed, cancelled or failed: a hook for all three."""
    settings = Settings.load(lake=run.parameters.get("lake"))
    with suppress(PresslakeError):
        lake = Lake.open(settings.lake)
        if mend_ledger(lake):
            publish(lake)


HOOKS: dict[str, Any] = {hook: [mend] for hook in ("on_failure", "on_crashed", "on_cancellation")}
"""How every flow that writes runs is declared."""
