"""What each command does. Results go to stdout, everything said about the way there to stderr."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flows.console import JsonLines, PlainLines, lake_of, print_table, say, say_json, settings_of
from schemas.errors import UsageError
from schemas.sources import parse_time, shown

if TYPE_CHECKING:
    from flows.jobs import Outcome, Tracking
    from warehouse.query import Result

Command = Callable[[argparse.Namespace], int]

_STATUS = """
    WITH upcoming AS (SELECT unnest(?::VARCHAR[]) AS site, unnest(?::TIMESTAMPTZ[]) AS next_run_at),
    failures AS (
        SELECT site, max(finished_at) AS last_failure_at
        FROM runs
        WHERE state <> 'finished' OR completeness <> 'complete'
        GROUP BY site
    )
    SELECT
        site, documents, deleted, words, newest_published_at, last_run_at, completeness, reason, last_failure_at,
        next_run_at
    FROM sites
    LEFT JOIN failures USING (site)
    LEFT JOIN upcoming USING (site)
    ORDER BY site
"""


def run(given: argparse.Namespace) -> int:
    """Run the command that was parsed and return its exit code."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if getattr(given, "log_format", "text") == "json" else PlainLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("presslake").setLevel(logging.INFO)
    name = given.command if given.command != "quarantine" else f"quarantine_{given.action}"
    return COMMANDS[name](given)


def _ingest(given: argparse.Namespace) -> int:
    from flows.jobs import IngestRequest, ingest

    settings = settings_of(given, workers=given.workers)
    request = IngestRequest(
        tuple(given.sources), given.site, _kinds(given), parse_time(given.since, "since"),
        parse_time(given.until, "until"), given.full,
    )  # fmt: skip
    if request.since and request.until and request.since >= request.until:
        raise UsageError("--since must be before --until.", remedy="The interval is closed-open.")
    return _perform(given, ", ".join(map(shown, request.sources)), lambda tracking: ingest(request, settings, tracking))


def _sync(given: argparse.Namespace) -> int:
    from flows.sync import sync

    settings = settings_of(given, workers=given.workers)
    return _perform(given, given.only or "", lambda tracking: sync(settings, given.only, tracking))


def _backfill(given: argparse.Namespace) -> int:
    from flows.backfill import BackfillRequest, backfill, estimate

    since, until = parse_time(given.since, "since"), parse_time(given.until, "until")
    assert since is not None and until is not None  # argparse requires both
    request = BackfillRequest(given.source, since, until, given.window, _kinds(given), given.workers, given.full)
    settings = settings_of(given)
    if given.dry_run:
        return _show_estimate(estimate(request, settings), given.json)
    return _perform(given, shown(request.source), lambda tracking: backfill(request, settings, tracking))


def _kinds(given: argparse.Namespace) -> tuple[str, ...]:
    return tuple(given.kinds.split(",")) if given.kinds else ()


def _show_estimate(costs: dict[str, Any], as_json: bool) -> int:
    if as_json:
        say_json(costs)
        return 0
    columns = ("stream", "documents", "requests", "bytes", "minutes")
    print_table(
        columns, [[row[name] for name in columns] for row in [*costs["streams"], {"stream": "in all", **costs}]]
    )
    for row in costs["streams"]:
        if row["reason"]:
            say(f"{row['stream']}: {row['reason']}")
    print(f"{costs['windows']} windows to read, {costs['finished']} finished before; nothing was written")
    return 0


def _replay(given: argparse.Namespace) -> int:
    from flows.replay import replay

    settings, since = settings_of(given, workers=given.workers), parse_time(given.since, "since")
    return _perform(given, given.site or "", lambda tracking: replay(settings, given.site, since, tracking))


def _quarantine_replay(given: argparse.Namespace) -> int:
    from flows.replay import replay_quarantine

    settings = settings_of(given)
    return _perform(given, given.site or "", lambda tracking: replay_quarantine(settings, given.site, tracking))


def _perform(given: argparse.Namespace, about: str, job: Callable[[Tracking], Outcome]) -> int:
    """Do a job, in Prefect or with a display of its own, and tell what it did."""
    from flows.jobs import Tracking

    if given.track or (os.environ.get("PREFECT_API_URL") and not given.no_track):
        from flows.tracking import run_tracked

        outcome = run_tracked(given.command, f"{given.command} {about}".strip(), job)
    else:
        from flows.progress import Progress

        with Progress(quiet=given.json) as progress:
            outcome = job(Tracking(progress))
    return _tell(outcome, given)


def _tell(outcome: Outcome, given: argparse.Namespace) -> int:
    """Print what a run did, and return its exit code."""
    for _, error in outcome.failures:
        print(f"presslake: {error}", file=sys.stderr)
    _print_rejections(outcome)
    if given.json:
        say_json(outcome.as_json())
    else:
        _print_summary(outcome)
    return outcome.exit_code


def _print_rejections(outcome: Outcome, most: int = 10) -> None:
    from warehouse.tabular import clean

    for rejection in outcome.rejections[:most]:
        told = f"presslake: rejected {rejection.site} {rejection.id}: {rejection.message}"
        print(clean(told), file=sys.stderr)
    if len(outcome.rejections) > most:
        print(f"presslake: and {len(outcome.rejections) - most} more; see presslake quarantine list.", file=sys.stderr)


def _print_summary(outcome: Outcome) -> None:
    columns = ("site", "stream", "fetched", "new", "changed", "unchanged", "rejected", "deleted", "completeness")
    print_table(columns, [[row[name] for name in columns] for row in outcome.streams])
    for row in outcome.streams:
        if row["reason"]:
            say(f"{row['site']} {row['stream']}: {row['reason']}")
    print(f"run {outcome.run_id}, lake {outcome.lake}")


def _width() -> int | None:
    import shutil

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _sql(given: argparse.Namespace) -> int:
    # The engine that reads the log is not needed to query what is published, so it is not imported.
    lake = settings_of(given).lake
    if given.query is None and sys.stdin.isatty() and sys.stdout.isatty():
        from flows.prompt import prompt

        return prompt(lake)
    from warehouse.formats import format_of, save, write
    from warehouse.query import connect, interruptible, run_query

    query = given.query if given.query is not None else sys.stdin.read()
    with connect(lake) as connection:

        def answer() -> int:
            result = run_query(connection, query)
            if given.output is not None:
                return save(result, given.format or format_of(given.output), given.output, lake_root=lake)
            return write(result, given.format or "table", sys.stdout, width=_width(), style=sys.stdout.isatty())

        # DuckDB does not hear Ctrl-C while its workers run.
        interruptible(connection, answer)
    return 0


def _execute(connection: Any, sql: str, parameters: list[Any]) -> Result:
    from warehouse.query import Result

    described = connection.execute(sql, parameters).description
    return Result(connection, sql, tuple(c[0] for c in described), tuple(str(c[1]) for c in described))


def _show(given: argparse.Namespace, sql: str, *parameters: Any) -> int:
    from warehouse.formats import write
    from warehouse.query import connect

    with connect(settings_of(given).lake) as connection:
        result = _execute(connection, sql, list(parameters))
        write(result, "json" if given.json else "table", sys.stdout, width=_width(), style=sys.stdout.isatty())
    return 0


def _status(given: argparse.Namespace) -> int:
    if given.metrics is not None:
        return _write_metrics(given)
    from pathlib import Path

    from flows.upcoming import next_runs

    upcoming = next_runs(Path.cwd())
    return _show(given, _STATUS, list(upcoming), list(upcoming.values()))


def _write_metrics(given: argparse.Namespace) -> int:
    from flows.metrics import openmetrics
    from warehouse.query import connect

    with connect(settings_of(given).lake) as connection:
        text = openmetrics(connection)
    if given.metrics == "-":
        print(text, end="")
        return 0
    # A collector must never see half of it.
    building = f"{given.metrics}.{os.getpid()}"
    with open(building, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(building, given.metrics)
    return 0


def _runs(given: argparse.Namespace) -> int:
    return _show(
        given,
        "SELECT started_at, run_id, command, site, stream, state, fetched, new, changed, rejected, deleted,"
        " completeness, reason, seconds FROM runs ORDER BY started_at DESC, site, stream LIMIT ?",
        given.limit,
    )


def _quarantine_list(given: argparse.Namespace) -> int:
    return _show(
        given,
        "SELECT rejected_at, site, kind, id, reason, message, run_id FROM quarantine"
        " WHERE ?::VARCHAR IS NULL OR site = ? ORDER BY rejected_at DESC, site, kind, id LIMIT ?",
        given.site,
        given.site,
        given.limit,
    )


def _quarantine_show(given: argparse.Namespace) -> int:
    from warehouse.formats import plain
    from warehouse.query import connect
    from warehouse.tabular import clean

    sql = "SELECT * FROM quarantine WHERE id = ? AND (?::VARCHAR IS NULL OR site = ?) ORDER BY rejected_at DESC LIMIT 1"
    with connect(settings_of(given).lake) as connection:
        result = _execute(connection, sql, [given.id, given.site, given.site])
        rows = [row for piece in result.rows() for row in piece]
    if not rows:
        raise UsageError(f"No rejection with id {given.id}.", remedy="See presslake quarantine list.")
    values = dict(zip(result.columns, rows[0], strict=True))
    payload = values.pop("payload")
    text = None if payload is None else payload.decode("utf-8", "replace")
    if given.json:
        say_json({name: plain(value) for name, value in values.items()} | {"payload": text})
        return 0
    for name, value in values.items():
        if value is not None:
            say(f"{name:>12}  {plain(value)}")
    if text is not None:
        print("\n" + "\n".join(map(clean, text.splitlines())))
    return 0


def _doctor(given: argparse.Namespace) -> int:
    from flows.wordpress.doctor import examine

    found = examine(given.url, settings_of(given))
    if given.json:
        say_json(found.as_json())
    else:
        facts = (
            ("site", found.site), ("name", found.name), ("API", f"{found.api} (by {found.found_by})"),
            ("WordPress", found.version or "version not shown"), ("time zone", found.zone), ("login", found.login),
        )  # fmt: skip
        for name, value in facts:
            say(f"{name:>10}  {value or 'not shown'}")
        print_table(("stream", "records"), [[name, count] for name, count in found.streams.items()])
        for name, why in found.blocked.items():
            say(f"blocked: {name}: {why}")
        for note in found.notes:
            say(f"note: {note}")
    return 3 if found.blocked else 0


def _export(given: argparse.Namespace) -> int:
    from warehouse.export import export

    count = export(lake_of(given), where=given.where, format=given.format, output=given.output)
    print(f"{count} documents written to {given.output}", file=sys.stderr)
    return 0


def _report(given: argparse.Namespace) -> int:
    from flows.report.page import write_report

    size = write_report(settings_of(given).lake, given.output)
    print(f"report of {size / 1000:,.0f} kB written to {given.output}", file=sys.stderr)
    return 0


def _publish(given: argparse.Namespace) -> int:
    from warehouse.catalog import catalog_path, publish

    lake = lake_of(given)
    versions = publish(lake)
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    print(f"published {catalog_path(lake)} ({listed})")
    return 0


def _up(given: argparse.Namespace) -> int:
    from pathlib import Path

    from flows.up import running

    print("starting Prefect on loopback, about half a minute ...", file=sys.stderr)
    with running(settings_of(given), Path.cwd(), given.port) as (up, names):
        print(f"{up.address}  (deployed: {', '.join(names)}; Ctrl-C ends it, the next start goes on)", flush=True)
        up.wait()
    return 1


def _schema(given: argparse.Namespace) -> int:
    from schemas.dictionary import all_markdown, json_schema, markdown
    from schemas.tables import TABLES

    if given.table is not None and given.table not in TABLES:
        raise UsageError(f"No table called {given.table}.", remedy=f"There are: {', '.join(TABLES)}.")
    if given.format == "json":
        wanted = {name: json_schema(table) for name, table in TABLES.items() if given.table in (None, name)}
        print(json.dumps(wanted[given.table] if given.table else wanted, indent=2, ensure_ascii=False))
    else:
        print(markdown(TABLES[given.table]) if given.table else all_markdown(), end="")
    return 0


def _upkeep(given: argparse.Namespace) -> int:
    from flows import upkeep_commands as upkeep

    commands = {"maintain": upkeep.maintain_command, "check": upkeep.check_command, "purge": upkeep.purge_command}
    return commands[given.command](given)


COMMANDS: dict[str, Command] = {
    "ingest": _ingest, "backfill": _backfill, "sync": _sync, "replay": _replay, "sql": _sql, "status": _status,
    "runs": _runs, "doctor": _doctor, "quarantine_list": _quarantine_list, "quarantine_show": _quarantine_show,
    "quarantine_replay": _quarantine_replay, "check": _upkeep, "maintain": _upkeep, "purge": _upkeep,
    "publish": _publish, "export": _export, "report": _report, "schema": _schema, "up": _up,
}  # fmt: skip
