"""Read-only SQL over the catalog.

Three walls. The statement must be one that reads, which DuckDB's own parser decides. Its syntax tree must
hold no part that writes: since 2.0 ``WITH t AS (COPY … TO …)`` counts as a SELECT. And the connection is
sandboxed: the catalog is attached read-only, no file outside the lake and no network can be reached, no
extension loads, and none of that can be switched back.

DuckDB alone is imported here, so that a first answer comes quickly.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import duckdb

from schemas.errors import LakeError, UsageError
from warehouse.places import CATALOG, is_remote, local_folder
from warehouse.shipped import quoted

if TYPE_CHECKING:
    import pyarrow as pa

    from warehouse.lake import Lake

T = TypeVar("T")

_REMEDY = "It only reads (SELECT, FROM, WITH, VALUES, PIVOT, DESCRIBE, SUMMARIZE, SHOW, EXPLAIN); -o saves."
_LAKE_FILE = re.compile(r"((part|merged)-[0-9a-f][\w.-]*|published/[\w.-]+)\.parquet")
_NODES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
# Functions that run SQL given as text (no look at the tree can judge it), write, or reach into the process.
_FUNCTIONS = re.compile(
    r"query(_table)?|json_execute_serialized_sql|duckdb_secrets|which_secret|write_log|truncate_duckdb_logs"
    r"|(enable|disable)_\w+|(force_)?checkpoint|\w*external_resource\w*|import_database|copy_database|add_parquet_key"
    r"|setval|nextval|python_\w+|arrow_scan\w*|pandas_scan|getenv|load_aws_credentials"
)
# Anywhere in the text: a comment may stand before a parenthesis, and what is a comment is for a parser to say.
_WRITES = re.compile(rf"(?<![^\W\d])(copy|insert|update|delete|merge|{_FUNCTIONS.pattern})(?!\w)", re.IGNORECASE)
_PIVOT_REMEDY = " In a PIVOT that names its values, ON column IN (…), the word may stand as text."


class Rows(Protocol):
    """What can be written: named columns, read once, in pieces."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns' names, not always distinct."""

    @property
    def types(self) -> tuple[str, ...]:
        """The columns' SQL types."""

    def rows(self, size: int = 256) -> Iterator[list[tuple[Any, ...]]]:
        """Yield rows as Python values, ``size`` at a time."""

    def batches(self, size: int = 2048) -> AbstractContextManager[pa.RecordBatchReader]:
        """Open the same as a stream of Arrow batches."""


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to one statement, not yet fetched; valid until the connection runs another."""

    connection: duckdb.DuckDBPyConnection
    sql: str
    columns: tuple[str, ...]
    types: tuple[str, ...]

    def rows(self, size: int = 256) -> Iterator[list[tuple[Any, ...]]]:
        """Yield rows as Python values, ``size`` at a time, without holding what was yielded. Once only."""
        with _explained():
            while rows := self.connection.fetchmany(size):
                yield rows

    @contextmanager
    def batches(self, size: int = 2048) -> Iterator[pa.RecordBatchReader]:
        """Run the statement again as a stream of Arrow batches; a result under way would be copied whole."""
        with _explained():
            finish(self.connection)
            relation: Any = self.connection.sql(self.sql)
            # The method is called otherwise before 1.5.
            stream = getattr(relation, "to_arrow_reader", None) or relation.fetch_arrow_reader
            reader = stream(size)
            try:
                yield reader
            finally:
                # An open one would keep the connection from its next statement.
                reader.close()


def connect(
    lake: Lake | str, *, memory_limit: str | None = None, threads: int | None = None
) -> duckdb.DuckDBPyConnection:
    """Open the lake's catalog for reading, in a sandbox.

    Args:
        lake: a lake or its root. By root nothing but DuckDB is imported.
        memory_limit: e.g. ``256MB``; what does not fit goes to files in the system's temporary folder.

        threads: how many to use; each holds buffers. All processors when not given.

    Raises:
        UsageError: nothing was published yet.
        LakeError: the catalog is damaged, or may not be read.
    """
    given = lake if isinstance(lake, str) else lake.root
    # DuckDB compares paths as text, so the sandbox needs the one without "..", links and doubled slashes.
    root = os.path.realpath(local_folder(given))
    path = Path(root, CATALOG)
    try:
        is_there = path.is_file()
    except OSError as error:
        raise LakeError(f"Cannot open the lake {given}: {error.strerror}.", remedy="Check its rights.") from error
    if not is_there:
        here = " on this machine" if is_remote(given) else ""
        raise UsageError(f"The lake {given} has no catalog{here} yet.", remedy="Make it with: presslake publish.")
    # In memory with the catalog attached: nothing is created beside it, and a newer catalog can be opened in
    # the same process while an older one is still open.
    connection = duckdb.connect()
    limits = {"memory_limit": quoted(memory_limit)} if memory_limit else {}
    limits |= {"threads": str(threads)} if threads else {}
    try:
        _sandbox(connection, path.resolve(), root, limits)
    except (duckdb.Error, UnicodeError) as error:
        connection.close()
        raise LakeError(
            f"Cannot open the catalog {path}: {_sentence(error)}.",
            remedy="Rebuild it with: presslake publish.",
        ) from error
    return connection


def _sandbox(connection: duckdb.DuckDBPyConnection, path: Path, root: str, limits: dict[str, str]) -> None:
    spill = Path(tempfile.gettempdir(), f"presslake-sql-{os.getpid()}-{secrets.token_hex(4)}")
    settings = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
        "allow_persistent_secrets": "false",
        # A name in SQL must never mean a variable of this program.
        "python_enable_replacements": "false",
        "python_scan_all_frames": "false",
        "enable_progress_bar": "false",
        "TimeZone": "'UTC'",
        # Files never change: what a question learnt of them serves the next, and its own other parts.
        "parquet_metadata_cache": "true",
        # Beside the database by default, which is inside the lake.
        "temp_directory": quoted(str(spill)),
        **limits,
    }
    for name, value in settings.items():
        connection.execute(f"SET {name} = {value}")
    connection.execute(f"ATTACH {quoted(str(path))} AS catalog (READ_ONLY, TYPE duckdb)")
    connection.execute("USE catalog")
    # The views ask for it: the lake may have moved since they were made.
    connection.execute(f"SET VARIABLE lake_root = {quoted(root)}")
    connection.execute(f"SET allowed_directories = [{quoted(root)}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def run_query(connection: duckdb.DuckDBPyConnection, sql: str) -> Result:
    """Run one or several statements that read; return the last one's result, to be fetched in pieces.

    Raises:
        UsageError: a statement does anything but read, reaches out of the lake, or is wrong.
        LakeError: the lake's files cannot be read.
    """
    with _explained():
        finish(connection)
        statements = _statements(connection, sql)
        for statement in statements:
            _check(connection, statement)
        for statement in statements[:-1]:
            # They have no effect but their mistakes: binding finds those.
            connection.sql(statement.query)
        last = statements[-1].query
        description = connection.execute(last).description or []
        return Result(connection, last, tuple(c[0] for c in description), tuple(str(c[1]) for c in description))


def interruptible(connection: duckdb.DuckDBPyConnection, action: Callable[[], T]) -> T:
    """Do something with a connection so that Ctrl-C stops it at once.

    DuckDB looks for signals only while its calling thread works, not while that waits for others, so the
    work is done in a thread beside this one, which stays free to hear.

    Raises:
        KeyboardInterrupt: it was interrupted; the connection can be used on.
    """
    future: Future[T] = Future()

    def work() -> None:
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(action())
            except BaseException as error:
                future.set_exception(error)

    try:
        threading.Thread(target=work, daemon=True).start()
        return future.result()
    except KeyboardInterrupt:
        # It may come while the thread is being started: either that never begins, or it is waited for.
        while not future.cancel() and not future.done():
            connection.interrupt()
            wait([future], 0.1)
        raise


def finish(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop what is left of a result: since 2.0 a connection does nothing else before."""
    abort = getattr(connection, "abort", None)
    if abort is not None:
        abort()


def _statements(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Any]:
    try:
        statements = list(connection.extract_statements(sql))
        kinds = [statement.type.name for statement in statements]
    except ValueError as error:  # a statement type this DuckDB's Python face does not know
        raise _refusal(sql) from error
    if not kinds:
        raise UsageError("There is no SQL to run.", remedy="For example: FROM documents LIMIT 10.")
    return statements


def _check(connection: duckdb.DuckDBPyConnection, statement: Any) -> None:
    """Refuse the statement unless every part of it reads.

    Raises:
        UsageError: it does not.
    """
    kind, sql = statement.type.name, statement.query
    if kind == "EXPLAIN":
        for inner in _explained_statements(connection, sql):
            _check(connection, inner)
    elif kind == "SELECT":
        _check_tree(connection, sql)
    elif kind == "MULTI":
        # A PIVOT without IN (…) asks the data for its columns first and has no tree to look at.
        _check_words(sql)
    else:
        raise _refusal(sql)


def _check_tree(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    row = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
    try:
        tree = json.loads(row[0]) if row else {"error": True}
    except RecursionError as error:
        raise UsageError("The SQL is nested too deeply.", remedy="Split it with WITH.") from error
    if tree["error"]:
        _check_words(sql)
    pending = [tree]
    while pending:
        part = pending.pop()
        if isinstance(part, list):
            pending.extend(part)
            continue
        if not isinstance(part, dict):
            continue
        pending.extend(part.values())
        node = part.get("type")
        if isinstance(node, str) and node.endswith("_NODE") and node not in _NODES:
            raise _refusal(node.removesuffix("_NODE").removesuffix("_QUERY"))
        for name in (part.get("function_name"), part.get("table_name")):
            if isinstance(name, str) and _FUNCTIONS.fullmatch(name.lower()):
                raise UsageError(f"presslake sql refuses {name.lower()}.", remedy="Read the views: SHOW TABLES.")


def _check_words(sql: str) -> None:
    if found := _WRITES.search(sql):
        refusal = _refusal(found[0])
        raise UsageError(refusal.message, remedy=refusal.remedy + _PIVOT_REMEDY)


def _explained_statements(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Any]:
    """Return what an EXPLAIN explains: EXPLAIN ANALYZE runs it, and DuckDB tells only of the EXPLAIN."""
    tokens = [offset for offset, kind in duckdb.tokenize(sql) if "comment" not in str(kind)]
    words = [_word_at(sql, offset) for offset in tokens]
    first = 1
    while first < len(words) and words[first] in ("analyze", "analyse", "verbose"):
        first += 1
    while first < len(words):
        rest = sql.encode()[tokens[first] :].decode()
        try:
            return list(connection.extract_statements(rest))
        except (duckdb.Error, ValueError):
            # Options in parentheses come first; what follows the one that closes them is the statement.
            if words[first] != "(" or ")" not in words[first:]:
                break
            first = words.index(")", first) + 1
    raise _refusal(sql)


def _word_at(sql: str, offset: int) -> str:
    found = re.match(rb"\w+|.", sql.encode()[offset:], re.DOTALL)
    return found[0].decode(errors="replace").lower() if found else ""


def _refusal(sql: str) -> UsageError:
    bare = re.sub(r"--[^\n]*|/\*.*?\*/", " ", sql, flags=re.DOTALL).strip(" \t\r\n;(")
    word = re.match(r"\w+", bare)
    return UsageError(f"presslake sql refuses {word[0].upper() if word else 'this statement'}.", remedy=_REMEDY)


@contextmanager
def _explained() -> Iterator[None]:
    """Map DuckDB's errors to ours.

    Raises:
        UsageError: the SQL is wrong or not allowed.
        LakeError: files or memory failed.
        KeyboardInterrupt: the query was interrupted.
    """
    try:
        yield
    except duckdb.PermissionException as error:
        raise UsageError(f"{_sentence(error)}.", remedy="SQL reads files of the lake only.") from error
    except (duckdb.InterruptException, RuntimeError) as error:
        # Ctrl-C during a query comes as a plain RuntimeError.
        if isinstance(error, RuntimeError) and "interrupted" not in str(error):
            raise
        raise KeyboardInterrupt from error
    except (duckdb.OutOfMemoryException, duckdb.InternalException, duckdb.FatalException) as error:
        raise LakeError(f"The query failed: {_sentence(error)}.", remedy="Ask for less at once.") from error
    except duckdb.Error as error:
        # A damaged file may come as any kind of error, but it is named.
        if not _LAKE_FILE.search(str(error)):
            raise UsageError(f"{_sentence(error)}.") from error
        raise LakeError(
            f"Cannot read the lake: {_sentence(error)}.",
            remedy="Refresh its views with: presslake publish; if that does not help: presslake check.",
        ) from error


def _sentence(error: BaseException) -> str:
    """Return the first line of DuckDB's message and its hint; the rest draws arrows below the SQL."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    hints = [line for line in lines[1:] if line.startswith(("Did you mean", "Candidate bindings"))]
    return " ".join([lines[0], *hints[:1]]).rstrip(".")
