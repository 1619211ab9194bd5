"""Replacing whole data files in one commit: how rows are updated or removed where a table is not append-only.

Delta's MERGE would do, but its engine writes string views, which readers that trust the files' own schema then cannot
compare with strings; and it rewrites through a second copy of the declared layout. Files here are always written with
the declared types and the same layout as appended ones.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.transaction import AddAction, RemoveAction

from schemas.columns import Table
from warehouse.lake import dataset, storage

ROW_GROUP = 20_000
_LEVEL = 3  # of zstd; lower ones are hardly faster and write more (measured)
WIDE = ("text", "markdown", "payload", "extra", "excerpt")
"""Columns of long, unique values: dictionaries cost time there and gain nothing."""


def append(table: DeltaTable, declared: Table, data: pa.Table, transactions: Sequence[Transaction]) -> None:
    """Add rows in one commit that also sets ``transactions``.

    The engine's own writer takes a fifth more processor time and keeps a hundred megabytes for itself (measured).

    Raises:
        CommitFailedError: a writer of one of the same transactions was faster; nothing changed.
    """
    commit_rewrite(table, declared, list(write_files(table, declared, data, data_change=True)), transactions)


def replace_rows(
    table: DeltaTable,
    declared: Table,
    where: ds.Expression,
    is_stale: Callable[[pa.Table], pa.Array],
    data: pa.Table,
    transactions: Sequence[Transaction],
    *,
    holding: Mapping[str, Collection[str]],
) -> None:
    """Remove the rows for which ``is_stale`` holds and add ``data``, in one commit that also sets ``transactions``.

    Only files that may match ``where``, and by their statistics have one of the values named by ``holding`` in each of
    its columns, are looked at, and only those that hold stale rows are rewritten. A writer that rewrote files of the
    same partition meanwhile wins.

    Raises:
        CommitFailedError: another commit got in between; nothing changed.
    """
    stored_rows = dataset(table, holding)
    parts = [data.select(declared.schema().names)]
    actions: list[Any] = []
    for fragment in stored_rows.get_fragments(filter=where):
        rows = fragment.to_table(schema=stored_rows.schema)
        stale = is_stale(rows)
        if pc.any(stale).as_py():
            parts.append(rows.filter(pc.invert(stale)).select(declared.schema().names))
            bucket = str(rows.column(declared.partition)[0]) if declared.partition else None
            actions.append(removal(fragment.path, bucket, declared, data_change=True))
    merged = pa.concat_tables([part.cast(declared.schema()) for part in parts])
    commit_rewrite(table, declared, [*actions, *write_files(table, declared, merged, data_change=True)], transactions)


def commit_rewrite(
    table: DeltaTable,
    declared: Table,
    actions: Sequence[AddAction | RemoveAction],
    transactions: Sequence[Transaction] = (),
) -> None:
    """Commit data files, those that take the place of others and those that do not.

    Two commits that remove the same file do not conflict by themselves (deltalake 1.6), which would leave its rows
    twice. So whoever removes files takes the next turn of their partitions, and of two only one can.

    Raises:
        CommitFailedError: another commit got in between; nothing changed.
    """
    folders = sorted({action.path.rpartition("/")[0] for action in actions if isinstance(action, RemoveAction)})
    ids = [f"rewrite:{folder}" for folder in folders]
    turns = [Transaction(app_id, (table.transaction_version(app_id) or 0) + 1) for app_id in ids]
    table.create_write_transaction(
        list(actions),
        "append",
        table.schema(),
        [declared.partition] if declared.partition else None,
        commit_properties=CommitProperties(app_transactions=[*transactions, *turns]),
    )


def data_files(table: DeltaTable) -> dict[str, int]:
    """Return path → bytes of a snapshot's data files, relative to the table, the largest first."""
    added = pa.table(table.get_add_actions())
    paths = (unquote(path) for path in added.column("path").to_pylist())
    sizes = zip(paths, added.column("size_bytes").to_pylist(), strict=True)
    return dict(sorted(sizes, key=lambda file: (-file[1], file[0])))


def removal(path: str, bucket: str | None, declared: Table, *, data_change: bool) -> RemoveAction:
    """Return the action that takes a data file out of the table; ``bucket`` is its partition's value."""
    partition: dict[str, str | None] = {declared.partition: bucket} if declared.partition else {}
    return RemoveAction(
        path=path, data_change=data_change, deletion_timestamp=int(time.time() * 1000), partition_values=partition
    )


def write_files(
    table: DeltaTable, declared: Table, data: pa.Table, *, data_change: bool, stem: str = "part"
) -> Iterator[AddAction]:
    """Write rows as new data files, one per partition; they count only once their actions are committed."""
    filesystem = storage(table)
    for value, rows in _parted(declared, data):
        folder = f"{declared.partition}={value}/" if declared.partition else ""
        path = f"{folder}{stem}-{uuid.uuid4()}-c000.zstd.parquet"
        if folder:
            # The first rows of a partition may come with an update of others.
            filesystem.create_dir(folder)
        with filesystem.open_output_stream(path) as out:
            pq.write_table(
                rows.drop_columns([declared.partition]) if declared.partition else rows, out, compression="zstd",
                compression_level=_LEVEL, row_group_size=ROW_GROUP, store_schema=False,
                use_dictionary=[name for name in rows.schema.names if name not in WIDE],
            )  # fmt: skip
        yield AddAction(
            path=path,
            size=filesystem.get_file_info(path).size,
            partition_values={declared.partition: value} if declared.partition else {},
            modification_time=int(time.time() * 1000),
            data_change=data_change,
            stats=json.dumps(_statistics(declared, rows)),
        )


def _parted(declared: Table, data: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    if not declared.partition:
        if data.num_rows:
            yield "", data
        return
    column = data.column(declared.partition)
    values = sorted(pc.unique(column).to_pylist())
    for value in values:
        yield value, data if len(values) == 1 else data.filter(pc.equal(column, value))


def _statistics(declared: Table, rows: pa.Table) -> dict[str, Any]:
    """Return the Delta statistics of the narrow columns, by which readers skip files."""
    low, high, nulls = {}, {}, {}
    for name in declared.narrow:
        bounds = pc.min_max(rows.column(name))
        nulls[name] = rows.column(name).null_count
        if bounds["min"].is_valid:
            low[name], high[name] = _stated(bounds["min"].as_py()), _stated(bounds["max"].as_py())
    return {"numRecords": rows.num_rows, "minValues": low, "maxValues": high, "nullCount": nulls}


def _stated(value: Any) -> Any:
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z" if isinstance(value, datetime) else value
