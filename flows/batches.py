"""What a source hands to the pipeline, and how records are gathered into it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from schemas.records import RawRecord, Rejection
from warehouse.ledger import StreamRun

T = TypeVar("T")

# Shorter than any wait that is worth being used, longer than what a fast site needs for a page.
_PATIENCE_S = 0.25


@dataclass(frozen=True, slots=True)
class Gone:
    """A document that the site confirmed to be no longer public; ``how`` is ``deleted`` or ``hidden``."""

    site: str
    kind: str
    id: str
    how: str


@dataclass(slots=True)
class Batch:
    """Records that travel and commit together: the unit of memory, retry and commit.

    ``stream`` is None for local files, whose records may belong to several sites; the pipeline then keeps one
    ledger row per site. ``marks`` come true once the batch is committed, in the table called ``marked``.
    """

    records: list[RawRecord] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    gone: list[Gone] = field(default_factory=list)
    marks: Mapping[str, int] = field(default_factory=dict)
    marked: str = "documents"
    stream: StreamRun | None = None

    @property
    def fetched(self) -> int:
        """How many records the batch accounts for."""
        return len(self.records) + len(self.rejections)


def gathered(read: Iterable[RawRecord | Rejection], *, most: int, most_bytes: int) -> Iterator[Batch]:
    """Return what is read in batches of at most ``most`` records or about ``most_bytes``."""
    batch, size = Batch(), 0
    for entry in read:
        if isinstance(entry, Rejection):
            batch.rejections.append(entry)
        else:
            batch.records.append(entry)
        size += len(entry.payload or b"")
        if batch.fetched >= most or size >= most_bytes:
            yield batch
            batch, size = Batch(), 0
    if batch.fetched:
        yield batch


def ahead(source: Iterable[T], depth: int = 3, idle: Callable[[], None] | None = None) -> Iterator[T]:
    """Return the same items, read in a thread a few items ahead, so that fetching overlaps with what follows.

    ``idle`` is called when no item comes for a moment. An error of the source comes out where it happened. Leaving
    early stops the thread at its next item.
    """
    items: queue.Queue[tuple[str, T | BaseException | None]] = queue.Queue(depth)
    stopped = threading.Event()

    def put(kind: str, value: T | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                items.put((kind, value), timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def read() -> None:
        try:
            for item in source:
                if not put("item", item):
                    return
            put("end", None)
        except BaseException as error:  # handed over whole to the reader
            put("error", error)

    thread = threading.Thread(target=read, name="presslake-ahead", daemon=True)
    thread.start()
    try:
        while True:
            try:
                kind, value = items.get(timeout=_PATIENCE_S if idle else None)
            except queue.Empty:
                assert idle is not None
                idle()
                kind, value = items.get()
            if kind == "item":
                yield value  # type: ignore[misc]
            elif kind == "error":
                raise value  # type: ignore[misc]
            else:
                return
    finally:
        stopped.set()
