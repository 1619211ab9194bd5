"""Identity and equality: which site, which document, and when two states are the same. All functions are pure."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit

from schemas.columns import Row, Table
from schemas.tables import SITE_BUCKETS

_DEFAULT_PORTS = {"http": 80, "https": 443}
_API_TAIL = re.compile(r"/(index\.php/)?(wp-json|index\.php)(/.*)?$")
# Only what an editor sets on the document itself; derived columns and lineage do not make a new state.
_STATE_COLUMNS = (
    "content_sha256", "url", "slug", "status", "title", "published_at", "modified_at", "authors", "terms",
    "featured_image", "is_protected", "is_sticky", "comment_status", "parent_id", "menu_order", "deleted_at",
)  # fmt: skip
_OTHER_SPACE = b"\t\v\f\r\x1c\x1d\x1e\x1f"
_NOT_STATE = ("site_bucket", "source")


def canonical_site(url: str) -> str:
    """Return the site a URL belongs to: host, port unless it is the scheme's own, and path without trailing slash.

    REST routes are cut off, so the API root and the home page of one installation give one site.

    >>> canonical_site("https://Example.com:443/blog/wp-json/wp/v2/posts/7")
    'example.com/blog'
    >>> canonical_site("http://127.0.0.1:8080/index.php?rest_route=/wp/v2/posts")
    '127.0.0.1:8080'
    """
    parts = urlsplit(url if "://" in url else f"https://{url}")
    host = (parts.hostname or "").lower().rstrip(".")
    if ":" in host:
        host = f"[{host}]"
    if parts.port and parts.port != _DEFAULT_PORTS.get(parts.scheme):
        host = f"{host}:{parts.port}"
    path = _API_TAIL.sub("", re.sub(r"/+", "/", parts.path)).rstrip("/")
    return host + path


def site_host(site: str) -> str:
    """Return the host (and port) of a site.

    >>> site_host("example.com/blog")
    'example.com'
    """
    return site.split("/", 1)[0]


@lru_cache(4096)
def site_bucket(site: str) -> str:
    """Return the storage bucket of a site: stable over time and machines."""
    return f"{int.from_bytes(hashlib.sha256(site.encode()).digest()[:2], 'big') % SITE_BUCKETS:02d}"


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 of bytes as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def _folded(value: str) -> str:
    if not value.isascii():
        value = unicodedata.normalize("NFC", value)
    lines = value.replace("\n\n", " ").replace("\n", " ")
    # Most text has no white space but single spaces and line ends: two looks cost less than taking it to pieces.
    if "  " not in lines and not _has_other_space(lines):
        return lines.strip(" ")
    return " ".join(value.split())


def _has_other_space(line: str) -> bool:
    """Tell whether a text without line ends may hold white space other than spaces."""
    if not line.isascii():
        return not line.isprintable()
    return len(line.encode().translate(None, _OTHER_SPACE)) < len(line)


def content_sha256(title: str, text: str) -> str:
    """Return the hash of what a reader reads; white space and Unicode composition do not count."""
    return sha256_hex(f"{_folded(title)}\n{_folded(text)}".encode("utf-8", "surrogatepass"))


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


# Escapes all but ASCII, so that lone surrogates cannot break the encoding. Made once: it is asked for every row.
_JSON = json.JSONEncoder(sort_keys=True, default=_plain, separators=(",", ":"))


def _digest(value: Any) -> str:
    return sha256_hex(_JSON.encode(value).encode())


def _address(url: str | None) -> str | None:
    """Cut query and fragment off, where nonces, tracking and cache-busters live."""
    if not url or ("?" not in url and "#" not in url):
        return url
    return url.split("#", 1)[0].split("?", 1)[0]


def bare_address(url: str) -> str:
    """Return what two spellings of one address have in common: no scheme, fragment, escapes or trailing slash.

    >>> bare_address("HTTPS://Example.com/a%20b/#top")
    'example.com/a b'
    """
    return unquote(url.split("#", 1)[0].split("://", 1)[-1]).rstrip("/").lower()


def document_state(row: Row, editorial_extra: Any = None) -> str:
    """Return the hash that decides whether a document has a new state.

    It covers what an editor can set: the text, addresses, dates, people, terms, and where links and images lead
    (without query and fragment). It ignores what changes when the same thing is rendered again.
    ``editorial_extra`` is the part of ``extra`` that editors set, such as custom fields.
    """
    return _digest(
        [
            [row.get(name) for name in _STATE_COLUMNS],
            [_address(link["url"]) for link in row.get("links") or ()],
            [_address(image["url"]) for image in row.get("images") or ()],
            editorial_extra,
        ]
    )


def entity_state(table: Table, row: Row) -> str:
    """Return the hash over all columns of an entity but lineage and source."""
    names = (c.name for c in table.columns if not c.name.startswith("_") and c.name not in _NOT_STATE)
    return _digest({name: row.get(name) for name in names})


def fidelity(source: str) -> int:
    """Return how faithfully a source tells a document's state; at equal modification time the higher one stands.

    The live API renders and resolves everything; a saved answer may lack names; an export holds the unrendered
    text; feeds and pages are what is left when the API is closed.
    """
    return {"rest": 3, "file": 2, "wxr": 1}.get(source, 0)


def supersedes(row: Row, head: Row) -> bool:
    """Tell whether a fetched document ``row`` replaces the newest known version ``head`` of the same key.

    Both need ``_state_sha256``, ``source``, ``modified_at``; ``row`` also ``fetched_at`` and ``head``
    ``valid_from`` (or, within one batch, ``fetched_at``) and ``deleted_at``. An equal state never does. A state read
    before the newest one became known is late and never does. Otherwise the newer modification stands, whatever its
    source; at an equal or unknown time the more faithful source; and the live API may also go back, as it tells what
    the site shows now.
    """
    if row["_state_sha256"] == head["_state_sha256"] and head["deleted_at"] is None:
        return False
    if row["source"] == "rest":
        known_at = head.get("fetched_at") or head["valid_from"]
        return bool(row["fetched_at"] >= known_at or _newer(row, head))
    if head["deleted_at"] is not None:
        # Only the live site can tell that a removed document is back; a file may simply be older than the removal.
        return _newer(row, head)
    if _newer(row, head):
        return True
    return fidelity(row["source"]) >= fidelity(head["source"]) and not _newer(head, row)


def renews(row: Row, head: Row) -> bool:
    """Tell whether a row that was made again replaces ``head``: it was made of the same record and says something else.

    What is deleted, or was made of another record meanwhile, stays as it is.
    """
    is_same_record = row["_raw_sha256"] == head["_raw_sha256"] and head["deleted_at"] is None
    return is_same_record and bool(row["_state_sha256"] != head["_state_sha256"])


def _newer(one: Row, other: Row) -> bool:
    if one["modified_at"] is None or other["modified_at"] is None:
        return False
    return bool(one["modified_at"] > other["modified_at"])


# -- marks: small integers kept in a table's transaction log, changed in the same commit as the rows they speak of -----

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


def turn_id(site: str) -> str:
    """Return the mark by which the writers of one site take turns."""
    return f"site:{site}"


def watermark_id(site: str, kind: str) -> str:
    """Return the mark of the newest modification time committed, in microseconds since 1970; it only rises."""
    return f"watermark:{site}:{kind}"


def public_count_id(site: str, kind: str) -> str:
    """Return the mark that counts the public documents of a kind."""
    return f"public:{site}:{kind}"


def cursor_id(site: str, kind: str, part: str) -> str:
    """Return a mark of an unfinished full scan: its ``offset``, the last ``id`` there, and when it ``started``."""
    return f"cursor:{site}:{kind}:{part}"


def zone_id(site: str, kind: str) -> str:
    """Return the mark of the site's time zone as a number: an increment looks further back once it has changed."""
    return f"zone:{site}:{kind}"


def swept_id(site: str, kind: str) -> str:
    """Return the mark of when all ids of a kind were last compared with the site's."""
    return f"swept:{site}:{kind}"


def scanned_id(site: str, kind: str) -> str:
    """Return the mark of when the last full scan of a kind began."""
    return f"scanned:{site}:{kind}"


def hidden_id(site: str, kind: str) -> str:
    """Return the mark of how many records more the site counts than it shows, when all were last compared."""
    return f"hidden:{site}:{kind}"


def marks_of(site: str, kind: str) -> tuple[str, ...]:
    """Return all marks that are kept of a kind of a site; the count of public documents comes first."""
    cursors = (cursor_id(site, kind, part) for part in ("offset", "id", "started"))
    others = (watermark_id, zone_id, swept_id, scanned_id, hidden_id)
    return (public_count_id(site, kind), *cursors, *(id_(site, kind) for id_ in others))


def short_digest(value: Any) -> int:
    """Return a value's hash as a number that fits a mark."""
    return int(_digest(value)[:12], 16)


def micros(moment: datetime) -> int:
    """Return a moment as microseconds since 1970."""
    return (moment - EPOCH) // _TICK


def from_micros(value: int) -> datetime:
    """Return the moment of ``micros``."""
    return EPOCH + value * _TICK
