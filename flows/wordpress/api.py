"""WordPress's REST API as it really answers: checked by content type and shape, never by the status alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flows.readers.payload import Slices, decode, elements, salvage, slices
from flows.wordpress.retrieval import Answer, Client
from schemas.errors import BlockedSourceError, RecordError, SourceError, TransientSourceError

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Listing:
    """One page of a list: exact bytes and decoded value of each record, and what the headers say.

    ``total`` counts rows, some of which may be unreadable and missing from the page, so a short page is not
    necessarily the last one. ``odd`` holds entries that have no id.
    """

    records: list[tuple[bytes, dict[str, Any]]]
    total: int | None
    answer: Answer | None
    note: str | None = None
    pages: int | None = None
    odd: list[bytes] = field(default_factory=list)

    @property
    def ids(self) -> list[int]:
        """Ids of the records, in order."""
        return [int(value["id"]) for _, value in self.records]


DOTCOM = "https://public-api.wordpress.com/wp/v2/sites/"


@dataclass
class WordPress:
    """One site's REST API. ``root`` is its address up to and including the slash that routes are appended to."""

    client: Client
    root: str
    site: str
    index: dict[str, Any] = field(default_factory=dict)
    found_by: str = ""
    polluted: int = 0

    def list(self, route: str, params: Params | None = None, *, tries: int | None = None) -> Listing:
        """Return one page of a list route; ``tries`` bounds how often a failing request is repeated.

        Raises:
            BlockedSourceError: the site refuses (``code`` holds WordPress's error code).
            TransientSourceError: the answer is broken in a way that may pass.
            SourceError: the answer has another shape.
        """
        answer, found = self._get(route, params, list, tries)
        read = [(payload, _decoded(payload)) for payload in found.records]
        records = [entry for entry in read if isinstance(entry[1], dict) and _is_id(entry[1].get("id"))]
        if not records and any(value is not _UNREAD for _, value in read):
            raise SourceError(f"{answer.url} lists something that is no WordPress object.", url=answer.url)
        odd = [entry[0] for entry in read if entry not in records] if len(records) < len(read) else []
        total, pages = (_number(answer.headers.get(name)) for name in ("X-WP-Total", "X-WP-TotalPages"))
        return Listing(records, total, answer, found.note, pages, odd)

    def object(self, route: str, params: Params | None = None) -> dict[str, Any]:
        """Return the object of a route. Raises as ``list`` does."""
        _, found = self._get(route, params, dict)
        value: dict[str, Any] = decode(found.records[0])
        return value

    def address(self, route: str) -> str:
        """Return the address of a route such as ``wp/v2/posts``."""
        route = route.lstrip("/")
        # The API of wordpress.com has the name space before the site: …/wp/v2/sites/<host>/posts.
        return self.root + (route.removeprefix("wp/v2/") if self.root.startswith(DOTCOM) else route)

    def _get(self, route: str, params: Params | None, expect: type, tries: int | None = None) -> tuple[Answer, Slices]:
        found = Slices([], False)

        def check(answer: Answer) -> None:
            nonlocal found
            if answer.status >= 400:
                raise refusal(answer)
            found = self._value(answer, expect)

        answer = self.client.get(self.address(route), params, tries=tries, check=check)
        return answer, found

    def _value(self, answer: Answer, expect: type) -> Slices:
        if not answer.body.strip():
            raise TransientSourceError(f"{answer.url} sent an empty answer.", url=answer.url, status=answer.status)
        found = slices(answer.body)
        if expect is list and found.broken is not None and found.broken.reason == "nested_too_deep":
            # It came whole, and would come the same again: the one record that nobody can read costs only itself.
            parts = elements(answer.body)
            found = Slices(parts, True) if parts else found
        whole = found.broken is None and (found.is_list if expect is list else len(found.records) == 1)
        if whole and _is(found.records, found.is_list, expect):
            return found
        # A whole answer of another shape may hold lists, but not the one that was asked for.
        mended = salvage(answer.body, expect) if found.broken is not None or len(found.records) != 1 else None
        if mended is not None:
            self.polluted += 1
            found = slices(mended[0])
            return Slices(found.records, found.is_list, note=f"polluted answer: {mended[1]}")
        if expect is list and answer.headers.get("X-WP-Total") == "0" and b"[]" in answer.body:
            self.polluted += 1
            return Slices([], True, note="polluted answer: an empty list")
        if found.broken is not None and answer.body.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] in (b"[", b"{"):
            raise TransientSourceError(
                f"{answer.url} sent broken JSON: {found.broken.message}", url=answer.url, status=answer.status
            )
        raise unexpected(answer, expect)


def _is(records: list[bytes], is_list: bool, expect: type) -> bool:
    return is_list if expect is list else bool(records) and records[0].startswith(b"{")


_UNREAD = object()


def _decoded(payload: bytes) -> Any:
    try:
        return decode(payload)
    except RecordError:
        return _UNREAD


def _is_id(value: Any) -> bool:
    """Tell whether a value is what WordPress's tables number their rows with: a whole number of 64 bits."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return len(text) < 20 and text.isdecimal() and int(text) < 1 << 63


def _number(value: str | None) -> int | None:
    # No site has a million million records.
    return int(value) if value is not None and len(value) < 13 and value.strip().isdecimal() else None


def error_code(answer: Answer) -> tuple[str, str]:
    """Return WordPress's error code and message of an answer; empty strings when it has none."""
    try:
        value = decode(answer.body)
    except RecordError:
        return "", ""
    if isinstance(value, dict) and isinstance(value.get("code"), str):
        return value["code"], str(value.get("message", ""))
    return "", ""


def refusal(answer: Answer) -> SourceError:
    """Return the error for an answer of status 400 or above: who refuses, and what to do."""
    code, message = error_code(answer)
    remedy = _REMEDIES.get(code, "") or _guard_remedy(answer)
    said = f"{code}: {message.rstrip('.')}" if code else guard(answer) or answer.content_type or "no content type"
    error = BlockedSourceError(
        f"{answer.url} answered HTTP {answer.status} ({said}).", remedy=remedy, url=answer.url, status=answer.status
    )
    error.code = code
    return error


_LOGIN = "Set PRESSLAKE_USER and PRESSLAKE_APP_PASSWORD to an application password of the site."
_REMEDIES = {
    "rest_login_required": _LOGIN, "rest_not_logged_in": _LOGIN, "rest_forbidden": _LOGIN,
    "rest_user_cannot_view": _LOGIN, "rest_forbidden_context": _LOGIN, "rest_cannot_access": _LOGIN,
    "rest_disabled": "The site's API is switched off; ask its owner, or read an export (WXR) instead.",
    "rest_no_route": "The site does not offer this route.",
}  # fmt: skip


def guard(answer: Answer) -> str:
    """Return who stands in front of the site and refused, if the answer tells."""
    server = answer.headers.get("Server", "").lower()
    text = answer.body[:20_000].decode("utf-8", "replace").lower()
    if "cf-ray" in {name.lower() for name in answer.headers} or server == "cloudflare":
        return "Cloudflare"
    for sign, name in (("wordfence", "Wordfence"), ("sucuri", "Sucuri"), ("incapsula", "Imperva"),
                       ("just a moment", "a browser challenge"), ("captcha", "a captcha"),
                       ("mod_security", "ModSecurity")):  # fmt: skip
        if sign in text or sign in server:
            return name
    return ""


def _guard_remedy(answer: Answer) -> str:
    if answer.status in (403, 406, 429, 503) and guard(answer):
        return "Ask the site's owner to admit your User-Agent (PRESSLAKE_USER_AGENT)."
    if answer.status in (401, 403):
        return _LOGIN
    return "Check the address."


def unexpected(answer: Answer, expect: type) -> SourceError:
    """Return the error for a 200 that is not what was asked for."""
    text = answer.body[:20_000].decode("utf-8", "replace")
    wanted = "a list" if expect is list else "an object"
    if re.search(r"fatal error|there has been a critical error|error establishing a database", text, re.IGNORECASE):
        return TransientSourceError(
            f"{answer.url} answered with a PHP error page.", remedy="Try again later.", url=answer.url,
            status=answer.status,
        )  # fmt: skip
    code, message = error_code(answer)
    who = guard(answer)
    seen = f"a page by {who}" if who else f"{answer.content_type or 'no content type'}"
    seen = f"{code}: {message.rstrip('.')}" if code else seen
    return BlockedSourceError(
        f"{answer.url} answered {seen} instead of {wanted} of JSON.", remedy="Check the address with presslake doctor.",
        url=answer.url, status=answer.status,
    )  # fmt: skip


def as_parameter(moment: datetime) -> str:
    """Return a UTC moment as WordPress takes it: whole seconds and Z, without which it is taken as site time."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}Z"
