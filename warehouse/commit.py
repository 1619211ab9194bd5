"""The one write path. Order of durability for a batch: raw, entities, quarantine, documents with their watermark.

Every commit is optimistic: read what is known of the batch's keys at one table version, append what that leaves,
and name the site in a Delta application transaction, so that of two writers to one site the later one fails, rereads
and tries again. A rerun after a crash at any point therefore finds its own rows and writes nothing twice.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError

from schemas.columns import Row, Table
from schemas.errors import CommitConflict
from schemas.keys import fidelity, from_micros, public_count_id, renews, supersedes, turn_id, watermark_id
from schemas.records import RawRecord, Rejection
from schemas.tables import TABLES
from warehouse.heads import Key, among, document_heads, entity_heads, landed
from warehouse.lake import Lake, dataset, guarded
from warehouse.rewrite import append, replace_rows

MAX_TRIES = 40
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of each row given, in order (new, changed or unchanged), and the table version that holds them."""

    outcomes: tuple[str, ...]
    version: int

    def count(self, outcome: str) -> int:
        """Return how many rows had this outcome."""
        return self.outcomes.count(outcome)


def utcnow() -> datetime:
    """Return the writer's clock, in UTC."""
    return datetime.now(UTC)


def land_raw(lake: Lake, records: Sequence[RawRecord], run_id: str) -> int:
    """Append the records whose (site, kind, id, raw_sha256) is not in ``raw`` yet; return how many."""

    def plan(table: DeltaTable) -> tuple[pa.Table, list[Transaction]]:
        known = landed(table, ((r.site, r.kind, r.id) for r in records))
        fresh = {(r.site, r.kind, r.id, r.sha256): r for r in records}
        rows = [record.row(run_id) for key, record in fresh.items() if key not in known]
        return _arrow(TABLES["raw"], rows), _turns(table, (row["site"] for row in rows))

    return int(_optimistic(lake, "raw", plan)[0].num_rows)


def append_quarantine(lake: Lake, rejections: Sequence[Rejection], run_id: str) -> int:
    """Append rejections that this run has not recorded yet; return how many."""

    def plan(table: DeltaTable) -> tuple[pa.Table, list[Transaction]]:
        of_run = dataset(table, {"run_id": [run_id]}).to_table(
            columns=["site", "kind", "id"], filter=ds.field("run_id") == run_id
        )
        known = set(zip(*(of_run.column(n).to_pylist() for n in ("site", "kind", "id")), strict=True))
        fresh = {(r.site, r.kind, r.id): r for r in rejections}
        now = utcnow()
        rows = [rejection.row(run_id, now) for key, rejection in fresh.items() if key not in known]
        return _arrow(TABLES["quarantine"], rows), []

    return int(_optimistic(lake, "quarantine", plan)[0].num_rows)


Marks = Mapping[str, int]
"""Marks to set with a commit, by id (see ``schemas.keys``); watermarks never fall."""


def commit_documents(lake: Lake, documents: pa.Table, marks: Marks | None = None, *, renew: bool = False) -> Committed:
    """Append new and changed documents as versions and set marks, in one commit.

    Args:
        lake: where to.
        documents: rows of the declared schema, any mixture of sites. ``valid_from`` holds when each was fetched;
            it, ``document_version``, ``first_seen_at`` and ``_ingested_at`` are set here.
        marks: watermarks and cursors that are true once these rows are in.
        renew: the rows were made again of records in the lake, and only replace what was made of the same record.

    Raises:
        CommitConflict: other writers of the same sites won every try.
        LakeError: the storage refused.
    """
    narrow = documents.select(
        ["site", "kind", "id", "valid_from", "modified_at", "source", "deleted_at", "_state_sha256", "_raw_sha256"]
    ).to_pylist()
    outcomes: list[str] = []

    def plan(table: DeltaTable) -> tuple[pa.Table, list[Transaction]]:
        heads = document_heads(table, ((r["site"], r["kind"], r["id"]) for r in narrow))
        chosen, outcomes[:], balance = _versions(narrow, heads, renew)
        sites = {narrow[position]["site"] for position in chosen}
        transactions = [*_turns(table, sites), *_counted(table, balance), *_marked(table, marks or {})]
        return _with_versions(documents, chosen), transactions

    _, version = _optimistic(lake, "documents", plan)
    return Committed(tuple(outcomes), version)


def _versions(
    narrow: list[Row], heads: dict[Key, Row], renew: bool
) -> tuple[dict[int, Row], list[str], Counter[tuple[str, str]]]:
    """Decide row by row, in order, so that a key that comes twice in a batch becomes two versions or one.

    Returns:
        The version columns of each row to append, by its position; the outcome of every row; and by how much the
        number of public documents of each (site, kind) moves.
    """
    now = utcnow()
    last = {(row["site"], row["kind"], row["id"], row["modified_at"]): n for n, row in enumerate(narrow)}
    chosen: dict[int, Row] = {}
    outcomes: list[str] = []
    balance: Counter[tuple[str, str]] = Counter()
    for position, row in enumerate(narrow):
        key = (row["site"], row["kind"], row["id"])
        head = heads.get(key)
        # A file that tells one state twice would flip between the two at every rerun: its last word counts.
        is_repeated = row["source"] != "rest" and last[*key, row["modified_at"]] > position
        if renew:
            stands = head is not None and renews(row, head)
        else:
            stands = head is None or supersedes({**row, "fetched_at": row["valid_from"]}, head)
        if is_repeated or not stands:
            outcomes.append("unchanged")
            continue
        outcomes.append("new" if head is None else "changed")
        was_public = head is not None and head["deleted_at"] is None
        balance[row["site"], row["kind"]] += (row["deleted_at"] is None) - was_public
        chosen[position] = {
            "document_version": 1 if head is None else head["document_version"] + 1,
            # A clock that went backwards must not reorder history.
            "valid_from": now if head is None else max(now, head["valid_from"] + _TICK),
            "first_seen_at": now if head is None else head["first_seen_at"],
            "_ingested_at": now,
        }
        heads[key] = {**row, **chosen[position], "fetched_at": row["valid_from"]}
    return chosen, outcomes, balance


def _with_versions(documents: pa.Table, chosen: dict[int, Row]) -> pa.Table:
    # Most batches are all new: no second copy of their texts then.
    is_all = len(chosen) == documents.num_rows
    data = documents if is_all else documents.take(pa.array(list(chosen), pa.int64()))
    for name in ("document_version", "valid_from", "first_seen_at", "_ingested_at"):
        column = TABLES["documents"].column(name)
        values = pa.array([version[name] for version in chosen.values()], column.type)
        data = data.set_column(data.schema.get_field_index(name), column.arrow(), values)
    return data


def commit_entities(
    lake: Lake, name: str, entities: pa.Table, marks: Marks | None = None, *, renew: bool = False
) -> Committed:
    """Insert new and update changed entities of the table called ``name``; the last of equal keys counts.

    With ``renew`` rows only replace what was made of the same record, as for documents.

    Raises:
        CommitConflict: other writers of the same sites won every try.
        LakeError: the storage refused.
    """
    declared = TABLES[name]
    keys = list(zip(*(entities.column(column).to_pylist() for column in declared.key), strict=True))
    states = entities.select(["_state_sha256", "_raw_sha256", "source"]).to_pylist()
    outcomes: list[str] = []

    def plan(table: DeltaTable) -> tuple[pa.Table, list[Transaction]]:
        heads = entity_heads(table, declared.key, keys)
        outcomes[:] = ["unchanged"] * len(keys)
        # Many records tell of one entity; in a renewal the one counts that its row was made of.
        told = {key: n for n, key in enumerate(keys) if not renew or (key in heads and renews(states[n], heads[key]))}
        for key, position in told.items():
            if key not in heads:
                outcomes[position] = "new"
            elif renew or _entity_changed(states[position], heads[key]):
                outcomes[position] = "changed"
        positions = [position for position, outcome in enumerate(outcomes) if outcome != "unchanged"]
        turns = _turns(table, {keys[p][0] for p in positions})
        return entities.take(pa.array(positions, pa.int64())), [*turns, *_marked(table, marks or {})]

    def write(table: DeltaTable, data: pa.Table, transactions: list[Transaction]) -> None:
        stale = {keys[position] for position, outcome in enumerate(outcomes) if outcome == "changed"}
        if not stale:
            append(table, declared, data, transactions)
            return

        def is_stale(rows: pa.Table) -> pa.Array:
            columns = (rows.column(column).to_pylist() for column in declared.key)
            return pa.array([key in stale for key in zip(*columns, strict=True)], pa.bool_())

        holding = {"site": {key[0] for key in stale}, "id": {key[declared.key.index("id")] for key in stale}}
        where = among(holding["site"], holding["id"])
        replace_rows(table, declared, where, is_stale, data, transactions, holding=holding)

    _, version = _optimistic(lake, name, plan, write)
    return Committed(tuple(outcomes), version)


def _entity_changed(state: Row, head: Row) -> bool:
    is_faithful = fidelity(state["source"]) >= fidelity(head["source"])
    return is_faithful and bool(state["_state_sha256"] != head["_state_sha256"])


def append_rows(lake: Lake, name: str, rows: Sequence[Row]) -> int:
    """Append rows of the table called ``name`` as they are (ledger entries); return the table version."""
    return _optimistic(lake, name, lambda table: (_arrow(TABLES[name], rows), []))[1]


Plan = Callable[[DeltaTable], tuple[pa.Table, list[Transaction]]]
Write = Callable[[DeltaTable, pa.Table, list[Transaction]], None]


def _optimistic(lake: Lake, name: str, plan: Plan, write: Write | None = None) -> tuple[pa.Table, int]:
    """Plan on a snapshot, commit on it, and start over when another writer of the same sites was faster."""
    for attempt in range(MAX_TRIES):
        table = lake.table(name)
        data, transactions = guarded(lambda: plan(table), f"read table {name}")  # noqa: B023
        if not data.num_rows and not transactions:
            return data, table.version()
        try:
            if data.num_rows:
                action = write or (lambda t, d, p: append(t, TABLES[name], d, p))
                guarded(lambda: action(table, data, transactions), f"write table {name}")  # noqa: B023
            else:
                properties = CommitProperties(app_transactions=transactions)
                table.create_write_transaction([], "append", table.schema(), commit_properties=properties)
            return data, table.version()
        except CommitFailedError:
            # Full jitter; the cap keeps forty tries under half a minute.
            time.sleep(random.uniform(0, min(1.0, 0.01 * 2 ** min(attempt, 7))))
    raise CommitConflict(
        f"Gave up writing {name} after {MAX_TRIES} tries: other writers of the same site kept winning.",
        remedy="Run fewer writers on one site, or rerun: nothing of this batch was written.",
    )


def _arrow(declared: Table, rows: Sequence[Row]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=declared.schema())


def _turns(table: DeltaTable, sites: Iterable[str]) -> list[Transaction]:
    """Return the next turn of each site: what makes two writers of one site conflict."""
    ids = [turn_id(site) for site in sorted(set(sites))]
    return [Transaction(app_id, (table.transaction_version(app_id) or 0) + 1) for app_id in ids]


def _counted(table: DeltaTable, balance: Mapping[tuple[str, str], int]) -> list[Transaction]:
    moved = [(public_count_id(*key), change) for key, change in sorted(balance.items()) if change]
    return [Transaction(app_id, (table.transaction_version(app_id) or 0) + change) for app_id, change in moved]


def _marked(table: DeltaTable, marks: Marks) -> list[Transaction]:
    due = []
    for app_id, value in sorted(marks.items()):
        stored = table.transaction_version(app_id)
        rises_only = app_id.startswith("watermark:")
        if stored is None or (value > stored if rises_only else value != stored):
            due.append(Transaction(app_id, value))
    return due


def mark(lake: Lake, app_id: str, table: str = "documents") -> int | None:
    """Return a mark of a table; None when it was never set."""
    return lake.table(table).transaction_version(app_id)


def watermark(lake: Lake, site: str, kind: str, table: str = "documents") -> datetime | None:
    """Return the newest modification time committed for a site and kind; None before the first."""
    return watermark_in(lake.table(table), site, kind)


def watermark_in(snapshot: DeltaTable, site: str, kind: str) -> datetime | None:
    """Return the newest modification time of a site and kind in a snapshot; None before the first."""
    value = snapshot.transaction_version(watermark_id(site, kind))
    # Zero is what a purge leaves of it.
    return from_micros(value) if value else None
