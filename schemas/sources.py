"""The source grammar: what may be given as SOURCE, and what it means. Parsing is pure, it looks at no disk or network.

::

    https://example.com/blog        a WordPress site (any address of it: home, a post, the API root)
    file:///data/dump.json, ./dump  a file or folder
    'exports/*.xml'                 a glob; ** crosses folders
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote, urlsplit

from schemas.errors import UsageError

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
_LOGIN = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)[^/?#]*@")
_GLOB = re.compile(r"[*?\[]")
_DOMAIN = re.compile(r"^([a-z0-9-]+\.)+[a-z]{2,}(:\d+)?(/.*)?$", re.IGNORECASE)
# What WordPress itself writes into queries; the value of any other name may be a token.
_PLAIN_NAMES = {"rest_route", "p", "page_id", "paged", "page", "per_page", "feed", "cat", "tag", "lang", "m"}


@dataclass(frozen=True, slots=True)
class Source:
    """One parsed SOURCE. ``kind`` is ``wordpress`` or ``files``; ``given`` is what the user wrote, fit to be shown."""

    given: str
    kind: str
    address: str

    @classmethod
    def parse(cls, given: str) -> Source:
        """Return the source that ``given`` names.

        Raises:
            UsageError: it is empty, or its scheme is not http, https or file.
        """
        text = given.strip()
        # A path whose name is no UTF-8 is kept for opening; what is shown and stored is legible.
        given = given.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        if not text:
            raise UsageError("Cannot read an empty source.", remedy="Name a site's URL, a file, a folder or a glob.")
        if not _SCHEME.match(text):
            return cls(given, "files", text)
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise UsageError(f"Cannot read {shown(given)}: {error}.", remedy="Write https://host/path.") from error
        scheme = parts.scheme.lower()
        if scheme == "file":
            return cls(given, "files", unquote(parts.path))
        if scheme not in ("http", "https"):
            raise UsageError(
                f"Cannot read {shown(given)}: {scheme}:// is not a source.", remedy="Use http://, https:// or a path."
            )
        if not parts.hostname or port == 0:
            raise UsageError(
                f"Cannot read {shown(given)}: the address names no host.", remedy="Write https://host/path."
            )
        if parts.username or parts.password:
            raise UsageError(
                f"Cannot read {scheme}://…@{parts.hostname}: credentials in an address end up in logs.",
                remedy="Set PRESSLAKE_USER and PRESSLAKE_APP_PASSWORD instead.",
            )
        return cls(shown(given), "wordpress", text)

    @property
    def is_glob(self) -> bool:
        """Whether the address is a pattern."""
        return self.kind == "files" and bool(_GLOB.search(self.address))

    @property
    def looks_like_domain(self) -> bool:
        """Whether a path that does not exist was probably meant as a site, e.g. ``example.com``."""
        return self.kind == "files" and bool(_DOMAIN.match(self.address))


def is_telling(name: str) -> bool:
    """Tell whether what an address's query has under ``name`` may be a secret."""
    return name.lower() not in _PLAIN_NAMES


def shown(address: str) -> str:
    """Return an address as it may be logged and stored: without a login, and without query values that may be tokens.

    >>> shown("https://me:secret@example.com/?rest_route=/&token=abc")
    'https://…@example.com/?rest_route=/&token=…'
    """
    if "://" not in address:
        return address
    address = _LOGIN.sub(r"\1…@", address)
    base, mark, query = address.partition("?")
    if not mark:
        return address
    query, hash_, _ = query.partition("#")
    parts = (part.partition("=") for part in query.split("&"))
    kept = [name + sign + ("…" if value and is_telling(unquote(name)) else value) for name, sign, value in parts]
    return f"{base}?{'&'.join(kept)}" + ("#…" if hash_ else "")


def parse_time(text: str | None, name: str) -> datetime | None:
    """Return a time that a user gave as ``name``; without zone it is UTC, without time the day's beginning.

    Raises:
        UsageError: it is no ISO 8601 date or time.
    """
    if not text:
        return None
    try:
        value = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError as error:
        raise UsageError(
            f"{name} cannot be {text!r}: it is no date.", remedy="Write 2024-03-15 or 2024-03-15T09:30:00Z."
        ) from error
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
