"""The prompt of ``presslake sql``: lines in, tables out. It imports little, so that it is there at once."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from flows.interrupts import STOPS
from schemas.errors import PresslakeError, UsageError
from warehouse.formats import FORMATS, write
from warehouse.places import CATALOG, local_folder
from warehouse.query import connect, interruptible, run_query

if TYPE_CHECKING:
    from warehouse.lake import Lake

_HISTORY_STATEMENTS = 2000
# Stands for the end of a line within a statement of the history file, as psql has it.
_NEWLINE = "\x01"
_KEYWORDS = """
    SELECT FROM WHERE GROUP BY ORDER LIMIT OFFSET HAVING QUALIFY JOIN LEFT INNER FULL ANTI SEMI ON USING AS
    AND OR NOT IN IS NULL LIKE ILIKE BETWEEN CASE WHEN THEN ELSE END DISTINCT UNION ALL EXCEPT INTERSECT WITH
    RECURSIVE VALUES PIVOT UNPIVOT DESCRIBE SUMMARIZE SHOW TABLES EXPLAIN ANALYZE FILTER OVER PARTITION UNNEST
    EXCLUDE REPLACE DESC ASC NULLS LAST FIRST CAST COUNT SUM MIN MAX AVG DATE_TRUNC STRFTIME INTERVAL
"""
_HELP = """\
Write SQL and end it with a semicolon; Tab completes, Up recalls, Ctrl-C clears, Ctrl-D leaves.
  .views           what there is to read
  .schema [VIEW]   columns of a view, or of all
  .format FORMAT   table, csv, json, jsonl or markdown
  .help            this text
  .quit            leave
"""
_COMMANDS = (".views", ".schema", ".format", ".help", ".quit")
_VIEWS = """
    SELECT view_name AS view, comment AS holds FROM duckdb_views()
    WHERE database_name = 'catalog' AND schema_name = 'main' AND NOT internal
    UNION ALL
    SELECT function_name || '(' || array_to_string(parameters, ', ') || ')', 'Macro: FROM ' || function_name
    FROM duckdb_functions()
    WHERE database_name = 'catalog' AND schema_name = 'main' AND function_type = 'table_macro' AND NOT internal
    ORDER BY ALL
"""
_COLUMNS = """
    SELECT table_name AS view, column_name AS column, data_type AS type, comment AS meaning
    FROM duckdb_columns()
    WHERE database_name = 'catalog' AND schema_name = 'main' AND NOT internal
"""


def prompt(lake: Lake | str) -> int:
    """Read statements from standard input until its end and print their results.

    At a terminal it edits lines, keeps a history and always ends with 0. Otherwise it reads a script: no
    prompt is printed, a last statement may lack its semicolon, and the answer is 2 when a statement was
    refused, 1 when the lake could not be read, and 0 else.

    Raises:
        UsageError: nothing was published yet.
        LakeError: the catalog is damaged.
    """
    session = Session(lake)
    try:
        if sys.stdin.isatty():
            return _converse(session)
        return _script(session)
    finally:
        session.close()


class Session:
    """What a prompt remembers: the open catalog, the format chosen and the lines not yet complete."""

    def __init__(self, lake: Lake | str) -> None:
        """Open the catalog."""
        self._lake = lake
        self._stamp = self._catalog_stamp()
        self.connection = connect(lake)
        self.format = "table"
        self.pending = ""
        self.worst = 0

    def close(self) -> None:
        """Let go of the catalog."""
        self.connection.close()

    def feed(self, line: str) -> bool:
        """Take one line; run what it completes. Return False when it says to leave."""
        if not self.pending.strip() and line.strip().startswith("."):
            return self._guarded(lambda: self._command(line.split()))
        self.pending += line + "\n"
        if not self.pending.strip(" \t\n;"):
            self.pending = ""
        elif is_complete(self.pending):
            self.flush()
        return True

    def flush(self) -> None:
        """Run what was taken so far, complete or not."""
        sql, self.pending = self.pending, ""
        if sql.strip(" \t\n;"):
            self._guarded(lambda: self._run(sql))

    def _guarded(self, action: Callable[[], bool]) -> bool:
        try:
            return action()
        except PresslakeError as error:
            sys.stdout.flush()
            print(error, file=sys.stderr)
            self.worst = max(self.worst, error.exit_code)
            return True

    def _run(self, sql: str) -> bool:
        self._refresh()
        is_terminal = sys.stdout.isatty()
        width = shutil.get_terminal_size().columns if is_terminal else None
        style = is_terminal and "NO_COLOR" not in os.environ
        interruptible(
            self.connection,
            lambda: write(run_query(self.connection, sql), self.format, sys.stdout, width=width, style=style),
        )
        sys.stdout.flush()
        return True

    def _command(self, words: list[str]) -> bool:
        match words:
            case [".quit" | ".exit" | ".q"]:
                return False
            case [".help"]:
                print(_HELP, end="", flush=True)
            case [".views"]:
                self._run(_VIEWS)
            case [".schema"]:
                self._run(_COLUMNS + " ORDER BY table_name, column_index")
            case [".schema", view]:
                name = view.strip('";').replace("'", "''")
                if name not in self.names():
                    raise UsageError(f"There is no view {name}.", remedy="See .views.")
                columns = _COLUMNS.replace("table_name AS view, ", "")
                self._run(f"{columns} AND table_name = '{name}' ORDER BY column_index")
            case [".format", format] if format in FORMATS and format != "parquet":
                self.format = format
            case [".format", *_]:
                raise UsageError("The prompt prints table, csv, json, jsonl or markdown.")
            case _:
                raise UsageError(f"There is no command {words[0]}.", remedy="See .help.")
        return True

    def names(self) -> list[str]:
        """Return the names of views, macros and columns, in this order."""
        queries = (
            "SELECT view_name FROM duckdb_views() WHERE database_name = 'catalog' AND schema_name = 'main'",
            "SELECT function_name FROM duckdb_functions() WHERE database_name = 'catalog' AND schema_name = 'main'",
            "SELECT DISTINCT column_name FROM duckdb_columns() WHERE database_name = 'catalog' ORDER BY 1",
        )
        return [name for query in queries for (name,) in self.connection.execute(query).fetchall()]

    def _refresh(self) -> None:
        """Open the catalog anew when another one was published: the old one's files go away some day."""
        stamp = self._catalog_stamp()
        if stamp != self._stamp and stamp is not None:
            self.connection.close()
            self.connection = connect(self._lake)
            self._stamp = stamp

    def _catalog_stamp(self) -> tuple[int, int] | None:
        root = self._lake if isinstance(self._lake, str) else self._lake.root
        try:
            found = os.stat(local_folder(root) / CATALOG)
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns


def is_complete(sql: str) -> bool:
    """Tell whether the last thing in the text, comments aside, is a semicolon outside of quotes."""
    if ";" not in sql:
        return False
    tokens = [offset for offset, kind in duckdb.tokenize(sql) if "comment" not in str(kind)]
    return bool(tokens) and sql.encode()[tokens[-1] :].lstrip()[:1] == b";"


def _script(session: Session) -> int:
    while line := sys.stdin.readline():
        if not session.feed(line.rstrip("\r\n")):
            return session.worst
    session.flush()
    return session.worst


def _converse(session: Session) -> int:
    remember, save = _prepare_editing(session)
    print("Read-only SQL over the lake. .help for help, .quit or Ctrl-D to leave.", flush=True)
    typed: list[str] = []
    try:
        while True:
            try:
                typed.append(input("presslake> " if not session.pending else "      ...> "))
                if not session.feed(typed[-1]):
                    return 0
            except KeyboardInterrupt:
                # Clears what was typed, or stops the query that runs; the prompt stays.
                session.pending = ""
                print(flush=True)
                STOPS.followed()
            except EOFError:
                print(flush=True)
                return 0
            except UnicodeDecodeError:
                print("That line is not text in the terminal's encoding.", file=sys.stderr)
            if not session.pending:
                remember("\n".join(typed))
                typed.clear()
    finally:
        remember("\n".join(typed))
        save()


def _prepare_editing(session: Session) -> tuple[Callable[[str], None], Callable[[], None]]:
    """Turn on history and completion; return what adds to the history and what saves it. Both need readline."""
    try:
        import readline
    except ImportError:
        return lambda _: None, lambda: None
    readline.set_completer(Completer(session))
    readline.set_completer_delims(" \t\n()[]{},;=<>+-*/'\"|")
    is_libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")
    # A statement of several lines comes back whole, so lines are not remembered one by one.
    readline.set_auto_history(False)
    last = ""
    path = history_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for line in path.read_text(errors="replace").splitlines():
            readline.add_history(line.replace(_NEWLINE, "\n"))
    except OSError:
        pass  # the first time, or a home that cannot be written: editing works all the same

    def remember(typed: str) -> None:
        nonlocal last
        if typed.strip() and typed != last:
            readline.add_history(typed)
            last = typed

    def save() -> None:
        known = [readline.get_history_item(n + 1) or "" for n in range(readline.get_current_history_length())]
        try:
            kept = "".join(item.replace("\n", _NEWLINE) + "\n" for item in known[-_HISTORY_STATEMENTS:])
            path.write_text(kept)
            path.chmod(0o600)
        except OSError:
            pass

    return remember, save


def history_path() -> Path:
    """Return where the prompt keeps its history, by the XDG rules."""
    state = os.environ.get("XDG_STATE_HOME", "")
    # The rules say to pass over a path that is not absolute.
    base = Path(state) if os.path.isabs(state) else Path("~/.local/state").expanduser()
    return base / "presslake" / "history"


class Completer:
    """What Tab offers: commands after a dot at the start, otherwise names first and then keywords."""

    def __init__(self, session: Session) -> None:
        """Names are asked for at the first Tab, not at the start."""
        self._session = session
        self._names: list[str] | None = None
        self._found: list[str] = []

    def __call__(self, text: str, state: int) -> str | None:
        """Return candidate number ``state``, as readline asks for them."""
        if state == 0:
            self._found = self.candidates(text)
        return self._found[state] if state < len(self._found) else None

    def candidates(self, text: str) -> list[str]:
        """Return what the text may go on to be; keywords in the case it began with."""
        if text.startswith("."):
            return [word for word in _COMMANDS if word.startswith(text)]
        if self._names is None:
            try:
                self._names = self._session.names()
            except duckdb.Error:
                self._names = []
        # After an alias only the last part is completed.
        alias, dot, part = text.rpartition(".")
        names = [alias + dot + name for name in self._names if name.lower().startswith(part.lower())]
        keywords = [] if dot or not part else [word for word in _KEYWORDS.split() if word.startswith(part.upper())]
        return list(dict.fromkeys([*names, *(word.lower() if part.islower() else word for word in keywords)]))
