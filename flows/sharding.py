"""Parts of a load or a replay that may be done side by side, by several processes or machines.

Records are dealt out by their key, so that all states of one document are read by one shard, in their order. What
documents take names from (authors, terms, media, an export's header) comes first, as a part of its own.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from schemas.records import RawRecord, Rejection

_AFTER_NAMES = ("documents", "comments")


@dataclass(frozen=True)
class Shard:
    """Part ``number`` of ``of`` parts, counted from 0; or, with ``names``, the part that comes before all of them."""

    number: int = 0
    of: int = 1
    names: bool = False

    def holds(self, record: RawRecord | Rejection) -> bool:
        """Tell whether a record is of this part."""
        is_name = isinstance(record, RawRecord) and record.table not in _AFTER_NAMES
        if is_name or self.names:
            return is_name and self.names
        return (
            zlib.crc32(f"{record.site}\0{record.kind}\0{record.id}".encode("utf-8", "replace")) % self.of == self.number
        )

    @property
    def suffix(self) -> str:
        """What its run's id ends with."""
        return "names" if self.names else f"{self.number:03d}"


def shards(count: int) -> list[Shard]:
    """Return the parts that may be done side by side, once the names are there."""
    return [Shard(number, count) for number in range(count)]


NAMES = Shard(names=True)
