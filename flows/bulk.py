"""Prefect flow ``bulk``: very many local files, or all of a lake's raw records, on a Dask cluster.

Needs: the extra ``dask`` (``pip install 'presslake[dask]'``); a lake and sources that every worker of the cluster
reaches by the same path. Each shard is a run of its own in the ledger. A rerun writes nothing twice, and a shard whose
worker died is done again by another.
"""

from __future__ import annotations

from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.jobs import IngestRequest, Outcome, ingest_source, published
from flows.replay import replay_shard
from flows.settings import Settings
from flows.sharding import NAMES, Shard, shards
from flows.tracked import HOOKS, report
from schemas.errors import UsageError
from schemas.sources import Source, parse_time
from warehouse.lake import Lake
from warehouse.ledger import new_run_id
from warehouse.places import absolute


@task(name="shard", task_run_name="{title}", retries=1, cache_policy=NO_CACHE)
def shard_task(title: str, plan: dict[str, Any], shard: Shard, run_id: str) -> Outcome:
    """Do one shard, wherever the cluster puts it, and return what became of it: names and numbers, never data."""
    # Each shard has a core; processes of its own would only share it.
    settings = Settings.load(lake=plan["lake"], workers=1)
    lake = Lake.open(settings.lake, create=True)
    part = Outcome(f"{run_id}-{shard.suffix}", lake.root)
    for given in plan["sources"]:
        request = IngestRequest((given,), plan["site"], shard=shard, command="bulk")
        ingest_source(Source.parse(given), request, settings, lake, part)
    if not plan["sources"]:
        replay_shard(settings, plan["site"], parse_time(plan["since"], "since"), shard, part)
    return part


@flow(name="bulk shards")
def spread(plan: dict[str, Any], run_id: str, count: int) -> list[Outcome]:
    """Do the names first, then all other shards side by side."""
    first = shard_task.submit("names", plan, NAMES, run_id).result()
    rest = [shard_task.submit(f"shard {each.number + 1} of {count}", plan, each, run_id) for each in shards(count)]
    return [first, *(future.result() for future in rest)]


@flow(name="bulk", **HOOKS)
def bulk(
    sources: list[str] | None = None,
    site: str | None = None,
    since: str | None = None,
    lake: str | None = None,
    workers: int = 2,
    scheduler: str | None = None,
) -> dict[str, Any]:
    """Load files, or without any extract the lake's raw records again, on Dask.

    Args:
        sources: Files, folders, archives or globs, as every worker sees them; none: extract again.
        site: Site name for documents that have none; when extracting again, only this site.
        since: When extracting again: only records fetched from then on (ISO 8601, UTC).
        lake: The lake's path or URL; default from PRESSLAKE_LAKE or presslake.toml.
        workers: Parts the work is dealt into: as many as the cluster has cores.
        scheduler: Address of a Dask scheduler; default: a cluster of so many processes on this machine.

    Returns:
        The same object that ``presslake ingest --json`` prints.

    Raises:
        UsageError: Dask is not installed, or a source is a site.
    """
    try:
        from prefect_dask.task_runners import DaskTaskRunner
    except ImportError as error:
        raise UsageError("Dask is not installed.", remedy="Run: pip install 'presslake[dask]'.") from error
    settings = Settings.load(lake=lake)
    for source in map(Source.parse, sources or []):
        if source.kind == "wordpress":
            raise UsageError(f"Cannot load {source.given} in bulk: it is a site.", remedy="Read it with ingest.")
    plan = {"sources": sources or [], "site": site, "since": since, "lake": absolute(settings.lake)}
    local = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    runner: Any = DaskTaskRunner(address=scheduler) if scheduler else DaskTaskRunner(cluster_kwargs=local)
    opened = Lake.open(settings.lake, create=bool(sources))
    outcome = Outcome(new_run_id(), opened.root)
    with published(opened, outcome):
        for part in spread.with_options(task_runner=runner)(plan, outcome.run_id, workers):
            outcome.add(part)
    return report(outcome)
