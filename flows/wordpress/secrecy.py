"""What nobody else may see: logins, and what stands in the query of an address, wherever they come back from.

A server may send what it was given back to us: in an error page, a post, a header, the target of a redirect. All of it
is stored, so it is masked before anything else gets to see the answer.
"""

from __future__ import annotations

import base64
import re
import urllib.request
from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from schemas.sources import is_telling

MASK = "…"
# Shorter ones are words, and masking them would mar what was never a secret.
_LEAST = 6


class Secrets:
    """What to mask in everything that a site says and that is said about it."""

    def __init__(self, credentials: tuple[str, str] | None, address: str) -> None:
        """Know the login, the passwords of proxies and the values in the query of the address that was given."""
        found = set(_spellings(_of_login(*credentials) if credentials else ()))
        for proxy in urllib.request.getproxies().values():
            parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
            if parts.password:
                found |= _spellings(_of_login(unquote(parts.username or ""), unquote(parts.password)))
        query = parse_qsl(urlsplit(address).query)
        found |= _spellings(value for name, value in query if is_telling(name))
        # Longest first: one may hold another.
        found = {spelling for spelling in found if len(spelling) >= _LEAST}
        ordered = sorted(found, key=len, reverse=True)
        self._text = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        self._bytes = re.compile(b"|".join(re.escape(s.encode()) for s in ordered)) if ordered else None

    def __bool__(self) -> bool:
        """Tell whether there is anything to mask."""
        return self._text is not None

    def masked(self, text: str) -> str:
        """Return a text without them."""
        return self._text.sub(MASK, text) if self._text else text

    def masked_bytes(self, body: bytes) -> bytes:
        """Return an answer's body without them."""
        return self._bytes.sub(MASK.encode(), body) if self._bytes else body


def _of_login(user: str, password: str) -> list[str]:
    # WordPress shows application passwords in groups and takes them with and without the spaces.
    passwords = {password, password.replace(" ", "")}
    pairs = [base64.b64encode(f"{user}:{each}".encode()).decode() for each in passwords]
    return [*passwords, *pairs]


def _spellings(secrets: Iterable[str]) -> set[str]:
    """Return them as they stand in text, in addresses, in JSON and without a padding that may be cut off."""
    found: set[str] = set()
    for secret in secrets:
        plain = secret.rstrip("=")
        found |= {plain, quote(plain, safe=""), quote_plus(plain), plain.replace("/", "\\/")}
    return found
