"""What travels from a source to the lake: raw records, rejections and the counts that must add up."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from schemas.columns import Row
from schemas.keys import sha256_hex, site_bucket


@dataclass(frozen=True)
class RawRecord:
    """One record exactly as received, and how it was received.

    ``table`` is where its curated row belongs (``documents`` or an entity table); a record without one only carries
    entities. ``context`` is what the record itself does not say but its surroundings did: values that JSON can hold,
    or what was read of another raw record, such as the header of an export, which is stored as its ``sha256``.
    """

    site: str
    kind: str
    id: str
    payload: bytes
    source: str
    fetched_at: datetime
    table: str = "documents"
    url: str | None = None
    http_status: int | None = None
    etag: str | None = None
    content_type: str | None = None
    given_source: str | None = None
    context: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the payload."""
        return sha256_hex(self.payload)

    def row(self, run_id: str) -> Row:
        """Return the record as a row of ``raw``."""
        return {
            "site_bucket": site_bucket(self.site), "site": self.site, "kind": self.kind, "id": self.id,
            "raw_sha256": self.sha256, "source": self.source, "url": self.url, "fetched_at": self.fetched_at,
            "http_status": self.http_status, "etag": self.etag, "content_type": self.content_type,
            "payload": self.payload, "context": _context(self.context), "_run_id": run_id,
            "_source": self.given_source,
        }  # fmt: skip


def _context(values: dict[str, Any]) -> str | None:
    if not values:
        return None
    return json.dumps(values, default=lambda other: other.sha256, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class Rejection:
    """A record that did not become a row, and why. ``payload`` is None when the bytes could not be read."""

    site: str
    kind: str
    id: str
    reason: str
    message: str
    source: str
    rule: str | None = None
    url: str | None = None
    content_type: str | None = None
    payload: bytes | None = None
    given_source: str | None = None
    context: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, record: RawRecord, reason: str, message: str, rule: str | None = None) -> Rejection:
        """Return the rejection of a raw record."""
        return cls(
            site=record.site, kind=record.kind, id=record.id, reason=reason, message=message, rule=rule,
            source=record.source, url=record.url, content_type=record.content_type, payload=record.payload,
            given_source=record.given_source, context=record.context,
        )  # fmt: skip

    def row(self, run_id: str, rejected_at: datetime) -> Row:
        """Return the rejection as a row of ``quarantine``."""
        return {
            "run_id": run_id, "site": self.site, "kind": self.kind, "id": self.id, "reason": self.reason,
            "message": self.message, "rule": self.rule, "source": self.source, "url": self.url,
            "content_type": self.content_type, "payload": self.payload, "rejected_at": rejected_at,
            "raw_sha256": None if self.payload is None else sha256_hex(self.payload),
            "context": _context(self.context), "_source": self.given_source,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the fetched records. The law ``fetched = new + changed + unchanged + rejected`` is asserted."""

    fetched: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0

    def __post_init__(self) -> None:
        """Refuse counts that lose a record.

        Raises:
            AssertionError: the parts do not add up; a defect of presslake, never of the data.
        """
        parts = self.new + self.changed + self.unchanged + self.rejected
        if self.fetched != parts:
            raise AssertionError(f"counts do not add up: fetched {self.fetched}, accounted for {parts}: {self}")

    def __add__(self, other: Counts) -> Counts:
        """Return the sum."""
        return Counts(
            self.fetched + other.fetched, self.new + other.new, self.changed + other.changed,
            self.unchanged + other.unchanged, self.rejected + other.rejected,
        )  # fmt: skip
