"""Finding a site's REST API: whatever address is given, however the site is set up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

from flows.readers.payload import decode, salvage
from flows.wordpress.api import DOTCOM, WordPress, error_code, guard, unexpected
from flows.wordpress.retrieval import Answer, Client
from schemas.errors import BlockedSourceError, RecordError, SourceError, TransientSourceError
from schemas.keys import canonical_site
from schemas.sources import shown

_REL = "https://api.w.org/"
_LINK_HEADER = re.compile(r'<([^<>]+)>\s*;[^,<]*rel="?https://api\.w\.org/"?')
_LINK_TAG = re.compile(r"<link\b[^<>]*>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"(?<![a-z])([a-z]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+))", re.IGNORECASE)
_API_IN_PATH = re.compile(r"^(.*?/wp-json)(?:/.*)?$")
_INDEX_FIELDS = "name,description,url,home,gmt_offset,timezone_string,namespaces,authentication"


def discover(client: Client, url: str) -> WordPress:
    """Return the API of the site that ``url`` belongs to: its home, any page of it, or the API itself.

    Order: what the given address is, what its Link header and ``<link>`` say, then the usual places under each
    folder of its path, deepest first. A place counts only if it answers JSON with namespaces; in plain-permalink
    mode ``/wp-json/`` answers 200 with the home page.

    Raises:
        SourceError: the host cannot be reached.
        BlockedSourceError: there is no WordPress API, or something stands in front of it; the message says what was
            tried and seen.
    """
    seen: list[str] = []
    first: Answer | None = None
    unreachable: SourceError | None = None
    tried: set[str] = set()
    for candidate, how in _given_api(url):
        tried.add(candidate)
        found = _index(client, candidate, how, seen)
        if found:
            return found
    try:
        first = client.get(url, accept="text/html, */*;q=0.5", tries=3)
    except SourceError as error:
        unreachable = error
        # A host that answers may have an API behind a home page that is broken or too large.
        if error.status is None and "PRESSLAKE_MAX_ANSWER_BYTES" not in str(error):
            raise
    for candidate, how in _candidates(url, first):
        if candidate not in tried:
            tried.add(candidate)
            found = _index(client, candidate, how, seen)
            if found:
                return found
    if unreachable is not None and unreachable.status is not None:
        raise unreachable
    raise _nothing(shown(url), first, seen) from unreachable


def _given_api(url: str) -> Iterator[tuple[str, str]]:
    parts = urlsplit(url)
    match = _API_IN_PATH.match(parts.path)
    if match:
        yield urlunsplit((parts.scheme, parts.netloc, match[1] + "/", "", "")), "the address given"
    elif "rest_route=" in parts.query:
        yield urlunsplit((parts.scheme, parts.netloc, parts.path or "/", "rest_route=/", "")), "the address given"


def _candidates(url: str, first: Answer | None) -> Iterator[tuple[str, str]]:
    base = first.url if first else url
    if first is not None:
        header = _LINK_HEADER.search(first.headers.get("Link", ""))
        if header:
            yield _rooted(urljoin(base, header[1])), "Link header"
        for tag in _LINK_TAG.findall(first.body[:1_000_000].decode("utf-8", "replace")):
            attributes = {m[0].lower(): unescape(m[1] or m[2] or m[3]) for m in _ATTRIBUTE.findall(tag)}
            if attributes.get("rel") == _REL and attributes.get("href"):
                yield _rooted(urljoin(base, attributes["href"])), "<link> in the page"
    yield from _usual_places(base)


def _usual_places(base: str) -> Iterator[tuple[str, str]]:
    parts = urlsplit(base)
    host = parts.hostname or ""
    if host.endswith(".wordpress.com"):
        yield f"{DOTCOM}{host}/", "wordpress.com"
    folders = [part for part in parts.path.split("/") if part]
    for depth in range(min(len(folders), 3), -1, -1):
        folder = "/".join(folders[:depth])
        root = urlunsplit((parts.scheme, parts.netloc, f"/{folder}/" if folder else "/", "", ""))
        yield root + "wp-json/", "usual place"
        yield root + "?rest_route=/", "usual place"
        yield root + "index.php?rest_route=/", "usual place"


def _rooted(url: str) -> str:
    """Return an advertised API address so that routes can be appended to it."""
    return url if url.endswith("/") else url + "/"


def _index(client: Client, root: str, how: str, seen: list[str]) -> WordPress | None:
    """Return the API if ``root`` is one; otherwise note in ``seen`` what it was."""
    if root.startswith(DOTCOM):
        return _dotcom(client, root, how, seen)
    try:
        answer = client.get(root, {"_fields": _INDEX_FIELDS}, tries=3, check=_passing)
    except SourceError as error:
        seen.append(f"{root}: {error.message}")
        return None
    index = _object(answer)
    if answer.status != 200 or index is None or not isinstance(index.get("namespaces"), list):
        seen.append(f"{root}: {_described(answer)}")
        return None
    if "wp/v2" not in index["namespaces"]:
        seen.append(f"{root}: an API without wp/v2 (WordPress before 4.7)")
        return None
    settled = _settled(_final_root(answer.url, root), str(index.get("home") or ""))
    return WordPress(client, settled, canonical_site(settled), index, how)


def _passing(answer: Answer) -> None:
    """Raise for an index that is broken in a way that may pass."""
    if answer.status != 200 or _object(answer) is not None:
        return
    error = unexpected(answer, dict)
    if isinstance(error, TransientSourceError):
        raise error
    if "json" in answer.content_type and answer.body.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] in (b"", b"{"):
        raise TransientSourceError(f"{answer.url} sent broken JSON.", url=answer.url, status=answer.status)


def _dotcom(client: Client, root: str, how: str, seen: list[str]) -> WordPress | None:
    # The same routes, but no index to tell by.
    host = root.rstrip("/").rsplit("/", 1)[-1]
    try:
        answer = client.get(root + "posts", {"per_page": 1, "_fields": "id"})
    except SourceError as error:
        seen.append(f"{root}: {error.message}")
        return None
    if answer.status != 200 or answer.content_type != "application/json":
        seen.append(f"{root}: {_described(answer)}")
        return None
    return WordPress(client, root, canonical_site(host), {"namespaces": ["wp/v2"]}, how)


def _final_root(final: str, asked: str) -> str:
    """Return the root after redirects, without the query parameters we added."""
    parts = urlsplit(final)
    if "rest_route=" in parts.query or "rest_route=" in urlsplit(asked).query:
        return urlunsplit((parts.scheme, parts.netloc, parts.path, "rest_route=/", ""))
    return urlunsplit(
        (parts.scheme, parts.netloc, parts.path if parts.path.endswith("/") else parts.path + "/", "", "")
    )


def _settled(root: str, home: str) -> str:
    """Return the root at the site's home: every address below it answers ``?rest_route=``, too."""
    found, stated = urlsplit(root), urlsplit(home)
    folder = stated.path.rstrip("/") + "/"
    is_below = found.netloc == stated.netloc and found.path.startswith(folder)
    if "rest_route=" not in found.query or not is_below or found.path == folder + "index.php":
        return root
    return urlunsplit((found.scheme, found.netloc, folder, found.query, ""))


def _object(answer: Answer) -> dict[str, Any] | None:
    try:
        value = decode(answer.body)
    except RecordError:
        mended = salvage(answer.body, dict) if "html" not in answer.content_type else None
        value = decode(mended[0]) if mended else None
    return value if isinstance(value, dict) else None


def _described(answer: Answer) -> str:
    code, _ = error_code(answer)
    return f"HTTP {answer.status} {code or guard(answer) or answer.content_type or 'without content'}".strip()


def _nothing(url: str, first: Answer | None, seen: list[str]) -> SourceError:
    closed = next((s for s in seen if "rest_" in s or "HTTP 401" in s), None)
    who = guard(first) if first is not None and first.status in (403, 406, 429, 503) else ""
    is_wordpress = first is not None and (b"wp-content/" in first.body or b"wp-includes/" in first.body)
    if who and first is not None:
        return BlockedSourceError(
            f"{url} is blocked by {who} (HTTP {first.status}).",
            remedy="Ask the site's owner to admit your User-Agent (PRESSLAKE_USER_AGENT).", url=url, status=first.status,
        )  # fmt: skip
    if any("before 4.7" in entry for entry in seen):
        return _closed(
            url, "has no wp/v2 API: it is a WordPress before 4.7, or its API is cut down.",
            remedy="Ingest an export (WXR) of the site.",
        )  # fmt: skip
    if closed or is_wordpress:
        return _closed(
            url, f"is a WordPress whose API is closed ({closed or f'none of {len(seen)} places answers JSON'}).",
            remedy="Set PRESSLAKE_USER and PRESSLAKE_APP_PASSWORD, or ingest an export (WXR) of the site.",
        )  # fmt: skip
    status = f" It answered HTTP {first.status}." if first is not None and first.status >= 400 else ""
    return BlockedSourceError(
        f"{url} is no WordPress site: no REST API in any of {len(seen)} places.{status}",
        remedy="Check the address; pages saved to disk can be ingested as files.", url=url,
    )  # fmt: skip


def _closed(url: str, how: str, *, remedy: str) -> BlockedSourceError:
    """Return the error for a WordPress whose API cannot be used, though its pages or feed may be."""
    error = BlockedSourceError(f"{url} {how}", remedy=remedy, url=url)
    error.is_wordpress = True
    return error
