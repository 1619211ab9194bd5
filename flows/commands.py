"""What each command does. Results go to stdout, everything said about the way there to stderr."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flows.settings import Settings
from schemas.errors import UsageError
from schemas.sources import parse_time

if TYPE_CHECKING:
    from flows.jobs import IngestRequest, Outcome
    from warehouse.lake import Lake
    from warehouse.query import Result

Command = Callable[[argparse.Namespace], int]


def run(given: argparse.Namespace) -> int:
    """Run the command that was parsed and return its exit code."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    logging.getLogger("presslake").setLevel(logging.INFO)
    name = given.command if given.command != "quarantine" else f"quarantine_{given.action}"
    return COMMANDS[name](given)


def _settings(given: argparse.Namespace, **more: Any) -> Settings:
    return Settings.load(lake=getattr(given, "lake", None), **more)


def _ingest(given: argparse.Namespace) -> int:
    from flows.jobs import IngestRequest, ingest
    from flows.progress import Progress

    settings = _settings(given, workers=given.workers)
    request = IngestRequest(
        tuple(given.sources), given.site, tuple((given.kinds or "").split(",")) if given.kinds else (),
        parse_time(given.since, "since"), parse_time(given.until, "until"), given.full,
    )  # fmt: skip
    if request.since and request.until and request.since >= request.until:
        raise UsageError("--since must be before --until.", remedy="The interval is closed-open.")
    if not given.no_track and (given.track or os.environ.get("PREFECT_API_URL")):
        outcome = _tracked(request, settings)
    else:
        with Progress(quiet=given.json) as progress:
            outcome = ingest(request, settings, progress)
    return _tell(outcome, given)


def _replay(given: argparse.Namespace) -> int:
    from flows.progress import Progress
    from flows.replay import replay

    since = parse_time(given.since, "since")
    with Progress(quiet=given.json) as progress:
        outcome = replay(_settings(given, workers=given.workers), given.site, since, progress)
    return _tell(outcome, given)


def _quarantine_replay(given: argparse.Namespace) -> int:
    from flows.progress import Progress
    from flows.replay import replay_quarantine

    with Progress(quiet=given.json) as progress:
        outcome = replay_quarantine(_settings(given), given.site, progress)
    return _tell(outcome, given)


def _tell(outcome: Outcome, given: argparse.Namespace) -> int:
    """Print what a run did, and return its exit code."""
    for _, error in outcome.failures:
        print(f"presslake: {error}", file=sys.stderr)
    _print_rejections(outcome)
    if given.json:
        print(json.dumps(outcome.as_json(), ensure_ascii=False))
    else:
        _print_summary(outcome)
    return outcome.exit_code


def _tracked(request: IngestRequest, settings: Settings) -> Outcome:
    from flows.tracking import tracked_ingest

    return tracked_ingest(request, settings)


def _print_rejections(outcome: Outcome, most: int = 10) -> None:
    for rejection in outcome.rejections[:most]:
        print(f"presslake: rejected {rejection.site} {rejection.id}: {rejection.message}", file=sys.stderr)
    if len(outcome.rejections) > most:
        print(f"presslake: and {len(outcome.rejections) - most} more; see presslake quarantine list.", file=sys.stderr)


def _print_summary(outcome: Outcome) -> None:
    columns = ("site", "stream", "fetched", "new", "changed", "unchanged", "rejected", "deleted", "completeness")
    _print_table(columns, [[row[name] for name in columns] for row in outcome.streams])
    for row in outcome.streams:
        if row["reason"]:
            print(f"{row['site']} {row['stream']}: {row['reason']}")
    print(f"run {outcome.run_id}, lake {outcome.lake}")


def _print_table(columns: tuple[str, ...], rows: list[list[Any]]) -> None:
    cells = [list(columns), *[["" if value is None else str(value) for value in row] for row in rows]]
    sizes = [max(len(row[position]) for row in cells) for position in range(len(columns))]
    for row in cells:
        print("  ".join(_aligned(cell, size) for cell, size in zip(row, sizes, strict=True)).rstrip())


def _aligned(cell: str, size: int) -> str:
    return cell.rjust(size) if cell.isdigit() else cell.ljust(size)


def _width() -> int | None:
    import shutil

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _lake(given: argparse.Namespace) -> Lake:
    from warehouse.lake import Lake

    return Lake.open(_settings(given).lake)


def _sql(given: argparse.Namespace) -> int:
    # The engine that reads the log is not needed to query what is published, so it is not imported.
    lake = _settings(given).lake
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

    with connect(_settings(given).lake) as connection:
        result = _execute(connection, sql, list(parameters))
        write(result, "json" if given.json else "table", sys.stdout, width=_width(), style=sys.stdout.isatty())
    return 0


def _status(given: argparse.Namespace) -> int:
    return _show(
        given,
        "SELECT site, documents, deleted, words, newest_published_at, last_run_at, completeness, reason FROM sites"
        " ORDER BY site",
    )


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
    from warehouse.formats import dumps, plain
    from warehouse.query import connect

    sql = "SELECT * FROM quarantine WHERE id = ? AND (?::VARCHAR IS NULL OR site = ?) ORDER BY rejected_at DESC LIMIT 1"
    with connect(_settings(given).lake) as connection:
        result = _execute(connection, sql, [given.id, given.site, given.site])
        rows = [row for piece in result.rows() for row in piece]
    if not rows:
        raise UsageError(f"No rejection with id {given.id}.", remedy="See presslake quarantine list.")
    values = dict(zip(result.columns, rows[0], strict=True))
    payload = values.pop("payload")
    text = None if payload is None else payload.decode("utf-8", "replace")
    if given.json:
        print(dumps({name: plain(value) for name, value in values.items()} | {"payload": text}))
        return 0
    for name, value in values.items():
        if value is not None:
            print(f"{name:>12}  {plain(value)}")
    if text is not None:
        print(f"\n{text}")
    return 0


def _doctor(given: argparse.Namespace) -> int:
    from flows.wordpress.doctor import examine

    found = examine(given.url, Settings.load())
    if given.json:
        print(json.dumps(found.as_json(), ensure_ascii=False))
    else:
        facts = (
            ("site", found.site), ("name", found.name), ("API", f"{found.api} (by {found.found_by})"),
            ("WordPress", found.version or "version not shown"), ("time zone", found.zone), ("login", found.login),
        )  # fmt: skip
        for name, value in facts:
            print(f"{name:>10}  {value or 'not shown'}")
        _print_table(("stream", "records"), [[name, count] for name, count in found.streams.items()])
        for name, why in found.blocked.items():
            print(f"blocked: {name}: {why}")
        for note in found.notes:
            print(f"note: {note}")
    return 3 if found.blocked else 0


def _export(given: argparse.Namespace) -> int:
    from warehouse.export import export

    count = export(_lake(given), where=given.where, format=given.format, output=given.output)
    print(f"{count} documents written to {given.output}", file=sys.stderr)
    return 0


def _publish(given: argparse.Namespace) -> int:
    from warehouse.catalog import catalog_path, publish

    lake = _lake(given)
    versions = publish(lake)
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    print(f"published {catalog_path(lake)} ({listed})")
    return 0


def _maintain(given: argparse.Namespace) -> int:
    from dataclasses import asdict

    from flows.upkeep import maintain

    _lake(given)  # upkeep makes no lake where none is
    both = not (given.compact or given.vacuum)
    done = maintain(
        _settings(given), compacting=both or given.compact, vacuuming=both or given.vacuum, keep_days=given.keep_days
    )
    if given.json:
        print(json.dumps([asdict(upkeep) for upkeep in done]))
    else:
        columns = ("table", "files before", "files after", "bytes before", "bytes after", "removed")
        _print_table(columns, [list(asdict(upkeep).values()) for upkeep in done])
    return 0


def _check(given: argparse.Namespace) -> int:
    from dataclasses import asdict

    from schemas.errors import CheckFailed
    from warehouse.integrity import check

    findings = []
    for finding in check(_lake(given), deep=not given.quick):
        findings.append(finding)
        if not given.json:
            print(f"{'FAILED' if finding.broken else 'ok':6}  {finding.check}: {finding.promise}")
            for example in finding.examples:
                print(f"        {example}")
    broken = [finding for finding in findings if finding.broken]
    if given.json:
        print(json.dumps({"ok": not broken, "checks": [asdict(finding) for finding in findings]}, ensure_ascii=False))
    if broken:
        raise CheckFailed(
            f"{len(broken)} of {len(findings)} checks failed: {', '.join(finding.check for finding in broken)}.",
            remedy="docs/lake.md says what to do about each.",
        )
    return 0


def _purge(given: argparse.Namespace) -> int:
    from warehouse.purge import Target, count_rows, find, purge

    lake = _lake(given)
    keys = find(lake, Target(given.site, given.url, given.author))
    _print_table(("table", "rows"), [[name, count] for name, count in count_rows(lake, keys).items() if count])
    if not given.yes:
        if not sys.stdin.isatty():
            raise UsageError("Nothing was purged.", remedy="Give --yes to remove these rows for good.")
        if input("Remove these rows for good, history included? [y/N] ").strip().lower() not in ("y", "yes"):
            raise UsageError("Nothing was purged.")
    proof = purge(lake, keys)
    removed = sum(proof.removed.values())
    print(f"removed {removed} rows and deleted {proof.deleted_files} files that held them or their traces")
    print(f"searched the {proof.searched_files} data files left: {len(proof.left) or 'nothing'} found")
    for left in proof.left:
        print(f"presslake: {left}", file=sys.stderr)
    print("Exports and copies made before still hold them; ingesting the source again brings them back.")
    return 3 if proof.left else 0


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


COMMANDS: dict[str, Command] = {
    "ingest": _ingest, "sql": _sql, "status": _status, "runs": _runs, "quarantine_list": _quarantine_list,
    "quarantine_show": _quarantine_show, "quarantine_replay": _quarantine_replay, "replay": _replay, "publish": _publish,
    "maintain": _maintain, "check": _check, "purge": _purge, "export": _export, "schema": _schema, "doctor": _doctor,
}  # fmt: skip
