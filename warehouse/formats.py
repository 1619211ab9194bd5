"""Results in the formats that people and programs read.

What is exact and what is not: ``parquet`` keeps every type. ``json``, ``jsonl`` and ``csv`` write moments as
ISO 8601 with ``Z``, blobs as base64 and decimals as numbers; JSON has no NaN and no infinity, so these become
null. ``csv`` is RFC 4180 (UTF-8, CRLF) with nested values as JSON; null is an empty cell and an empty text is
``""``. ``markdown`` and ``table`` are for reading: long text is cut in a table, and control characters never
reach a terminal.
"""

from __future__ import annotations

import base64
import io
import json
import math
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from schemas.errors import LakeError, UsageError
from warehouse.query import Rows
from warehouse.tabular import readable, write_table

FORMATS = ("table", "csv", "json", "jsonl", "markdown", "parquet")
_EXTENSIONS = {
    "csv": "csv",
    "json": "json",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "md": "markdown",
    "parquet": "parquet",
}
_ROW_GROUP_BYTES = 32 << 20
_SCALARS = (str, bool, int, type(None))
_FORMULA = re.compile(r"[=+\-@\t\r]")
_QUOTED = (",", '"', "\r", "\n")
_NUMBER = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL.*|BIGNUM)$")

Write = Callable[[str], object]


def format_of(output: str) -> str:
    """Return the format that a file name asks for by its extension; ``csv`` when it asks for none."""
    return _EXTENSIONS.get(output.rsplit(".", 1)[-1].lower(), "csv")


def write(
    result: Rows,
    format: str,
    out: BinaryIO | TextIO,
    *,
    width: int | None = None,
    style: bool = False,
    is_spreadsheet_safe: bool = False,
) -> int:
    """Write a result to an open stream; return how many rows it has.

    Args:
        result: is fetched in pieces; only ``table`` holds rows, at most the thousand it shows.
        format: one of ``FORMATS``.
        out: always written as UTF-8 when it is binary or has a buffer.
        width: columns of the terminal; None when there is none.
        style: let ``table`` use bold and dim.
        is_spreadsheet_safe: let ``csv`` put an apostrophe before text that a spreadsheet would compute.

    Raises:
        UsageError: there is no such format, or it needs a file.
    """
    if format == "parquet":
        raise UsageError("Parquet is not for a terminal or a pipe.", remedy="Name a file with -o FILE.")
    text = _text_writer(out)
    if format == "table":
        return write_table(result, text, width=width, style=style)
    if format == "csv":
        return _write_csv(result, text, is_spreadsheet_safe=is_spreadsheet_safe)
    if format in ("json", "jsonl"):
        return _write_json(result, text, is_array=format == "json")
    if format == "markdown":
        return _write_markdown(result, text)
    raise UsageError(f"There is no format {format}.", remedy=f"Choose one of {', '.join(FORMATS)}.")


def save(
    result: Rows,
    format: str,
    output: str,
    *,
    lake_root: str | None = None,
    is_spreadsheet_safe: bool = False,
) -> int:
    """Write a result to a file, which appears whole or not at all; return how many rows it has.

    Raises:
        UsageError: the file cannot be there, or it would lie inside ``lake_root``.
        LakeError: the disk failed.
    """
    with replacing(output, lake_root=lake_root) as file:
        if format == "parquet":
            return _write_parquet(result, file)
        return write(result, format, file, is_spreadsheet_safe=is_spreadsheet_safe)


@contextmanager
def replacing(output: str, *, lake_root: str | None = None) -> Iterator[BinaryIO]:
    """Open a file that takes the place of ``output`` only when all went well.

    Raises:
        UsageError: no such folder or no right to write, or ``output`` is a folder or inside ``lake_root``.
        LakeError: the disk failed.
    """
    path = destination(output, lake_root)
    if path.is_dir():
        raise UsageError(f"Cannot write {output}: it is a folder.", remedy="Name a file.")
    # A device or a pipe has a place of its own: write into it, do not put a file there.
    is_plain = not path.exists() or stat.S_ISREG(path.stat().st_mode)
    building = path.with_name(f".{path.name[:80]}.{os.getpid()}-{secrets.token_hex(3)}") if is_plain else path
    try:
        with open(building, "xb" if is_plain else "wb") as file:
            yield file
        if is_plain:
            os.replace(building, path)
    except BrokenPipeError:
        raise
    except PermissionError as error:
        raise UsageError(f"Cannot write {output}: permission denied.", remedy="Choose another place.") from error
    except OSError as error:
        raise LakeError(f"Cannot write {output}: {error.strerror or error}.", remedy="Nothing was replaced.") from error
    finally:
        if is_plain:
            building.unlink(missing_ok=True)


def destination(output: str, lake_root: str | None) -> Path:
    """Return where ``output`` leads, links followed.

    Raises:
        UsageError: its folder is missing, or it lies inside the lake or around it.
    """
    path = Path(os.path.realpath(os.path.expanduser(output)))
    if not path.parent.is_dir():
        raise UsageError(f"Cannot write {output}: there is no folder {path.parent}.", remedy="Make it first.")
    if lake_root is not None and "://" not in lake_root:
        root = Path(os.path.realpath(os.path.expanduser(lake_root)))
        if path == root or root in path.parents:
            raise UsageError(f"Cannot write {output}: it lies inside the lake.", remedy="Choose another place.")
        # A folder made by an earlier export is replaced as a whole, and the lake with it.
        if path in root.parents:
            raise UsageError(
                f"Cannot write {output}: the lake lies inside this folder.", remedy="Choose another place."
            )
    return path


def _text_writer(out: Any) -> Write:
    binary = getattr(out, "buffer", None)
    if binary is not None:
        # The locale's encoding may lack letters; what was printed before must come first.
        out.flush()
    elif isinstance(out, io.TextIOBase):
        return out.write
    else:
        binary = out
    return lambda text: binary.write(text.encode("utf-8", "replace"))


# -- values -------------------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """Return a value as JSON holds it: nested stays nested, moments are ISO 8601, blobs base64, NaN null."""
    if type(value) in _SCALARS:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return plain(float(value)) if value.as_tuple().exponent else int(value)
    if isinstance(value, dict):
        return {key if isinstance(key, str) else _key(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return _scalar_text(value)


def _key(key: Any) -> str:
    value = plain(key)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _scalar_text(value: Any) -> str:
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.6f}".rstrip("0").rstrip(".") + " s"
    return str(value)


def moment(value: datetime) -> str:
    """Return a moment as ISO 8601; with ``Z`` when it has a time zone, which the connection sets to UTC."""
    return value.isoformat() if value.tzinfo is None else value.replace(tzinfo=None).isoformat() + "Z"


def unique(names: tuple[str, ...]) -> list[str]:
    """Return the names with ``_1``, ``_2`` … added to those that came before, as DuckDB does in a table."""
    taken: set[str] = set()
    found = []
    for name in names:
        candidate, number = name, 0
        while candidate in taken or (number and candidate in names):
            number += 1
            candidate = f"{name}_{number}"
        taken.add(candidate)
        found.append(candidate)
    return found


# -- writers ------------------------------------------------------------------------------------------------


def dumps(value: Any) -> str:
    """Return JSON text, letters of every script as they are."""
    return json.dumps(plain(value), ensure_ascii=False, allow_nan=False)


def _write_json(result: Rows, write: Write, *, is_array: bool) -> int:
    names = unique(result.columns)
    as_json = [type == "JSON" for type in result.types]
    has_json = any(as_json)
    count = 0
    for rows in result.rows():
        lines = []
        for row in rows:
            values = [_parsed(v) if j else v for v, j in zip(row, as_json, strict=True)] if has_json else row
            lines.append(dumps(dict(zip(names, values, strict=True))))
        if is_array:
            write(("[\n" if not count else ",\n") + ",\n".join(lines))
        else:
            write("\n".join(lines) + "\n")
        count += len(rows)
    if is_array:
        write("\n]\n" if count else "[]\n")
    return count


def _parsed(value: Any) -> Any:
    """Return the value of a JSON column as the object it is."""
    try:
        return json.loads(value)
    except (TypeError, ValueError, RecursionError):
        return value


def _write_csv(result: Rows, write: Write, *, is_spreadsheet_safe: bool) -> int:
    def line(values: Any) -> str:
        return ",".join(_csv_cell(value, is_spreadsheet_safe) for value in values) + "\r\n"

    write(line(unique(result.columns)))
    count = 0
    for rows in result.rows():
        write("".join(map(line, rows)))
        count += len(rows)
    return count


def _csv_cell(value: Any, is_spreadsheet_safe: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float, Decimal)):
        return str(value)
    text = dumps(value) if isinstance(value, (dict, list, tuple)) else str(plain(value))
    if is_spreadsheet_safe and _FORMULA.match(text):
        text = "'" + text
    # Not a regular expression: on long text that took ten times as long.
    if not text or text[0].isspace() or text[-1].isspace() or any(sign in text for sign in _QUOTED):
        return '"' + text.replace('"', '""') + '"'
    return text


def _write_markdown(result: Rows, write: Write) -> int:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cells) + " |\n"

    write(line([markdown_cell(name) for name in result.columns]))
    write(line(["---:" if _NUMBER.match(type) else "---" for type in result.types]))
    count = 0
    for rows in result.rows():
        write("".join(line([markdown_cell(value) for value in row]) for row in rows))
        count += len(rows)
    return count


def markdown_cell(value: Any) -> str:
    """Return text that renders as itself: no cell ends early, nothing of the data acts as markup."""
    text = "" if value is None else readable(value, is_exact=True)
    text = re.sub(r"[\\|`*<\[]", lambda found: "\\" + found[0], text)
    return re.sub(r"&(?=#?\w+;)", "&amp;", text)


def _write_parquet(result: Rows, file: BinaryIO) -> int:
    # Imported when needed: it costs more than a whole query in another format.
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = 0
    with result.batches() as reader:
        names = unique(tuple(reader.schema.names))
        schema = pa.schema([field.with_name(name) for field, name in zip(reader.schema, names, strict=True)])
        try:
            with pq.ParquetWriter(file, schema, compression="zstd") as writer:
                group: list[pa.RecordBatch] = []
                for batch in reader:
                    group.append(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
                    count += batch.num_rows
                    if sum(part.nbytes for part in group) >= _ROW_GROUP_BYTES:
                        writer.write_table(pa.Table.from_batches(group, schema))
                        group.clear()
                writer.write_table(pa.Table.from_batches(group, schema))
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise UsageError(
                f"Parquet cannot hold this result: {str(error).splitlines()[0]}.",
                remedy="Cast the column to VARCHAR.",
            ) from error
    return count
