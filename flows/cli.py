"""The command line. Parsing only: every command imports what it needs when it runs, so that help is instant."""

from __future__ import annotations

import argparse
import atexit
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from flows.interrupts import STOPS
from flows.settings import VERSION
from warehouse.places import KEEP_DAYS

FORMATS = ("table", "csv", "json", "jsonl", "markdown", "parquet")
EXIT_CODES = """exit codes:
  0   done and complete
  1   failed
  2   usage: the command makes no sense as given
  3   finished, but partial: rejections, blocked streams or fewer than expected; the summary names each
  130 interrupted; what was committed stays
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        """End with one line and exit code 2."""
        self.exit(2, f"presslake: {message}. See {self.prog} --help.\n")


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = _Parser(
        prog="presslake",
        description="WordPress sites and local documents as a clean, versioned article lake.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"presslake {VERSION}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    _ingest(commands)
    _backfill(commands)
    sync = _command(commands, "sync", "read every source in presslake.toml")
    sync.add_argument("--only", metavar="SITE", help="only this source")
    _private(sync)
    sync.add_argument("--workers", type=int, metavar="N", help="processes that extract text (default: 2)")
    _job(sync)
    _replay(commands)
    _sql(commands)
    status = _command(commands, "status", "freshness and completeness of every site")
    status.add_argument("--metrics", metavar="FILE", help="write OpenMetrics there instead (-: to standard output)")
    _json(status)
    runs = _command(commands, "runs", "what the last runs did, stream by stream")
    runs.add_argument("--limit", type=int, default=20, metavar="N", help="rows shown (default: 20)")
    _json(runs)
    doctor = _command(commands, "doctor", "preflight of a site: what is found, what is blocked, the remedy", lake=False)
    doctor.add_argument("url", metavar="URL", help="any address of the site")
    _private(doctor)
    _json(doctor)
    _quarantine(commands)
    export = _command(commands, "export", "write documents out as a corpus, in the order of site, kind and id")
    export.add_argument("--where", metavar="SQL", help="only documents for which this holds, e.g. \"language = 'en'\"")
    export.add_argument("--format", choices=("jsonl", "csv", "parquet", "markdown"), required=True)
    export.add_argument("-o", "--output", metavar="PATH", required=True, help="file, or folder for markdown")
    report = _command(commands, "report", "one page of charts about the lake, complete in itself")
    report.add_argument("-o", "--output", metavar="FILE", required=True, help="the page, e.g. report.html")
    _command(commands, "publish", "rebuild the catalog of views")
    _upkeep(commands)
    up = _command(commands, "up", "Prefect's server, UI, schedules and a worker on loopback, until Ctrl-C")
    up.add_argument("--port", type=int, default=4200, metavar="N", help="port on 127.0.0.1 (default: 4200)")
    schema = _command(commands, "schema", "the data dictionary", lake=False)
    schema.add_argument("table", nargs="?", metavar="TABLE", help="one table (default: all)")
    schema.add_argument("--format", choices=("markdown", "json"), default="markdown", help="default: markdown")
    return top


def _command(commands: Any, name: str, sentence: str, *, lake: bool = True) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=sentence, description=sentence.capitalize() + ".")
    if lake:
        command.add_argument(
            "--lake", metavar="PATH", help="the lake (default: PRESSLAKE_LAKE, presslake.toml, ./lake)"
        )
    command.add_argument(
        "--log-format", choices=("text", "json"), default="text", help="how log lines are written (default: text)"
    )
    return command


def _private(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--allow-private", action="store_const", const=True, help="follow a site into a private network, too"
    )


def _json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print one JSON value and nothing else on stdout")


def _job(command: argparse.ArgumentParser) -> None:
    track = command.add_mutually_exclusive_group()
    track.add_argument("--track", action="store_true", help="record the run in Prefect (needs PREFECT_API_URL)")
    track.add_argument("--no-track", action="store_true", help="leave Prefect alone even if PREFECT_API_URL is set")
    _json(command)


def _ingest(commands: Any) -> None:
    command = _command(commands, "ingest", "bring sites and files into the lake: what is new and what changed")
    command.add_argument("sources", nargs="+", metavar="SOURCE", help="site URL, file, folder, archive, or glob")
    command.add_argument("--site", help="site name for local documents that have none (default: their folder's name)")
    command.add_argument("--kinds", metavar="posts,pages,…", help="only these streams of a WordPress site")
    command.add_argument("--since", metavar="TIME", help="only what was published from then on (ISO 8601, UTC)")
    command.add_argument("--until", metavar="TIME", help="only what was published before")
    command.add_argument("--full", action="store_true", help="read everything again instead of an increment")
    _private(command)
    command.add_argument("--workers", type=int, metavar="N", help="processes that extract text (default: 2)")
    _job(command)


def _backfill(commands: Any) -> None:
    command = _command(commands, "backfill", "read a site's past in windows; finished ones are skipped when run again")
    command.add_argument("source", metavar="SOURCE", help="site URL")
    command.add_argument("--since", metavar="TIME", required=True, help="from then on (ISO 8601, UTC)")
    command.add_argument("--until", metavar="TIME", required=True, help="up to, but without, then")
    command.add_argument("--window", choices=("day", "week", "month", "year"), default="month", help="default: month")
    command.add_argument("--kinds", metavar="posts,pages,…", help="only these streams")
    command.add_argument("--workers", type=int, default=1, metavar="N", help="windows read at a time (default: 1)")
    command.add_argument("--dry-run", action="store_true", help="print what it would cost, and write nothing")
    again = command.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="skip what is finished (the default)")
    again.add_argument("--full", action="store_true", help="read finished windows again, too")
    _private(command)
    _job(command)


def _replay(commands: Any) -> None:
    command = _command(commands, "replay", "extract again what the lake holds, from its raw records, without network")
    command.add_argument("--site", help="only this site")
    command.add_argument("--since", metavar="TIME", help="only records fetched from then on (ISO 8601, UTC)")
    command.add_argument("--workers", type=int, metavar="N", help="processes that extract text (default: 2)")
    _job(command)


def _upkeep(commands: Any) -> None:
    check = _command(commands, "check", "prove the lake: files whole, keys unique, counts add up")
    check.add_argument("--quick", action="store_true", help="look at what files say of themselves, not at every value")
    _json(check)
    maintain = _command(commands, "maintain", "merge small files, shorten the logs, remove what nobody reads any more")
    maintain.add_argument("--compact", action="store_true", help="only merge (default: both)")
    maintain.add_argument("--vacuum", action="store_true", help="only remove old files (default: both)")
    maintain.add_argument(
        "--keep-days",
        type=float,
        default=KEEP_DAYS,
        metavar="N",
        help=f"catalogs opened since then find all files (default: {KEEP_DAYS:g})",
    )
    _json(maintain)
    purge = _command(commands, "purge", "takedown: remove a site, an article or an author for good, and prove it")
    target = purge.add_mutually_exclusive_group()
    target.add_argument("--url", help="one article by its address, with its history, raw records and comments")
    target.add_argument("--author", help="all of an author by name, slug or id; with --site only there")
    purge.add_argument("--site", help="a whole site; with --author only that author there")
    purge.add_argument("--yes", action="store_true", help="do not ask")


def _sql(commands: Any) -> None:
    command = _command(commands, "sql", "read-only SQL on the views; without QUERY a prompt")
    command.add_argument("query", nargs="?", metavar="QUERY")
    command.add_argument("--format", choices=FORMATS, help="default: table on a terminal, else csv")
    command.add_argument("-o", "--output", metavar="FILE", help="write there instead of to the terminal")


def _quarantine(commands: Any) -> None:
    group = commands.add_parser("quarantine", help="rejections: list, show, replay", description="Rejections, in full.")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=_Parser)
    listing = _command(actions, "list", "rejections, newest first")
    listing.add_argument("--site", help="only of this site")
    listing.add_argument("--limit", type=int, default=50, metavar="N", help="rows shown (default: 50)")
    _json(listing)
    show = _command(actions, "show", "one rejection with the record itself")
    show.add_argument("id", metavar="ID", help="id of the record, as listed")
    show.add_argument("--site", help="its site, where ids are not unique")
    _json(show)
    again = _command(actions, "replay", "try the records in quarantine again")
    again.add_argument("--site", help="only of this site")
    _job(again)


class _WithoutPandas:
    """Lets no library import pandas: pyarrow does at its first scalar (26.0), where it is installed.

    Nothing here uses it, and it takes more time than all the rest of a small command.
    """

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        """Refuse pandas, leave everything else to others.

        Raises:
            ImportError: it is pandas.
        """
        if fullname == "pandas":
            raise ImportError("presslake does without pandas")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; deliberate errors end as one line on stderr."""
    # A process of our own; in somebody else's, much is not for us to say.
    is_own = arguments is None
    if is_own:
        sys.meta_path.insert(0, _WithoutPandas())
        # Nothing has begun that would have to be told or kept.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    given = parser().parse_args(arguments)
    if given.command is None:
        parser().print_help()
        return 2
    code = _run(given, is_own=is_own)
    if code == 130:
        print("presslake: interrupted; what was committed stays.", file=sys.stderr)
    if is_own and code not in (0, 3):
        _end(code)
    return code


def _run(given: argparse.Namespace, *, is_own: bool) -> int:
    from schemas.errors import PresslakeError

    try:
        if is_own:
            STOPS.listen()
        from flows import commands

        code: int = commands.run(given)
        sys.stdout.flush()
        return code
    except PresslakeError as error:
        print(f"presslake: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except RuntimeError as error:
        # How DuckDB (2.0) hands a Ctrl-C on.
        if str(error) != "Query interrupted":
            raise
        return 130
    except BrokenPipeError:
        # The reader (head, less) has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _end(code: int) -> NoReturn:
    """End this process although threads of it may still work, e.g. at what was read ahead.

    When Python (before 3.14) takes itself apart it unwinds the stacks of such threads, at which DuckDB aborts
    and delta-rs crashes: the caller would see a signal instead of our exit code.
    """
    # What threads still do may get into the way of tidying up; that is nobody's concern any more.
    sys.unraisablehook = lambda _: None
    try:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
