"""A small WordPress REST API on loopback that breaks on request, for what a real WordPress cannot be made to show.

It answers as WordPress 6 does (paging, totals, error codes, site-local date filters, exclusive bounds, no tie-break
when ordered by modification time). A fault is a callable ``(asked, reply) -> reply | None``: it sees each request with
the answer it would get and may replace or change that; see ``breakable_faults`` for the usual ones.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

JSON_TYPE = "application/json; charset=UTF-8"
HTML_TYPE = "text/html; charset=UTF-8"
START = datetime(2024, 1, 1, 6, tzinfo=UTC)
Value = dict[str, Any]


@dataclass
class Asked:
    """One request. ``route`` is the REST route without slashes around it, None for anything else."""

    path: str
    route: str | None
    params: dict[str, str]
    headers: dict[str, str]
    number: int
    host: str


@dataclass
class Reply:
    """One answer. ``cut``: send only so many bytes of the body; ``reset``: none at all; ``shown``: the list sent."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    reset: bool = False
    delay_s: float = 0.0
    drip_s: float = 0.0
    shown: list[Value] = field(default_factory=list)


Fault = Callable[[Asked, Reply], Reply | None]


def as_json(value: Any, status: int = 200, **headers: str) -> Reply:
    headers = {name.replace("_", "-"): entry for name, entry in headers.items()}
    return Reply(status, json.dumps(value).encode(), {"Content-Type": JSON_TYPE, **headers})


def refused(status: int, code: str, message: str = "Sorry.", **details: Any) -> Reply:
    return as_json({"code": code, "message": message, "data": {"status": status, **details}}, status)


@dataclass
class Site:
    """One WordPress installation: lists of REST objects by route, kept in the order of their ids."""

    url: str
    zone: str = "America/Chicago"
    permalinks: str = "pretty"
    advertises: bool = True
    types: dict[str, str] = field(default_factory=lambda: {"post": "posts", "page": "pages", "attachment": "media"})
    lists: dict[str, list[Value]] = field(default_factory=dict)
    gone: dict[tuple[str, int], Reply] = field(default_factory=dict)
    index: Value = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.index = {
            "name": "Harbour News", "description": "", "url": self.url, "home": self.url, "gmt_offset": -6,
            "timezone_string": self.zone, "namespaces": ["oembed/1.0", "wp/v2"], "authentication": {},
        } | self.index  # fmt: skip
        for name in ("posts", "pages", "media", "users", "categories", "tags", "comments"):
            self.lists.setdefault(name, [])

    @property
    def api(self) -> str:
        return f"{self.url}/wp-json/" if self.permalinks == "pretty" else f"{self.url}/index.php?rest_route=/"

    def add(self, base: str, id_: int, **changes: Any) -> Value:
        """Add an object; ``at`` is its moment in UTC."""
        at = changes.pop("at", START + timedelta(hours=id_))
        makers: dict[str, Callable[[int, datetime], Value]] = {
            "users": self._user, "categories": self._term, "tags": self._term, "comments": self._comment,
        }  # fmt: skip
        value = makers.get(base, lambda i, a: self._post(base, i, a))(id_, at)
        if base == "tags":
            value["taxonomy"] = "post_tag"
        value.update(changes)
        self.lists.setdefault(base, []).append(value)
        self.lists[base].sort(key=lambda entry: int(entry["id"]))
        return value

    def fill(self, posts: int = 30, pages: int = 3) -> Site:
        """Give the site authors, terms, media and documents that refer to them."""
        for id_ in (1, 2):
            self.add("users", id_)
            self.add("categories", id_)
            self.add("tags", id_ + 10)
            self.add("media", 9000 + id_)
        for id_ in range(1, posts + 1):
            self.add("posts", id_, author=1 + id_ % 2, categories=[1 + id_ % 2], featured_media=9001)
        for id_ in range(5001, 5001 + pages):
            self.add("pages", id_)
        self.add("comments", 1, post=1)
        return self

    def edit(self, base: str, id_: int, at: datetime, **changes: Any) -> None:
        self.find(base, id_).update(**self._times("modified", at), **changes)

    def find(self, base: str, id_: int) -> Value:
        return next(value for value in self.lists[base] if value["id"] == id_)

    def remove(self, base: str, id_: int, how: str = "trash") -> None:
        """Take an object away as WordPress does: hidden behind 401 in the trash, 404 once deleted."""
        self.lists[base] = [value for value in self.lists[base] if value["id"] != id_]
        if how == "trash":
            self.gone[base, id_] = refused(401, "rest_forbidden", "Sorry, you are not allowed to do that.")

    def _times(self, name: str, at: datetime) -> Value:
        local = at.astimezone(ZoneInfo(self.zone))
        return {name: f"{local:%Y-%m-%dT%H:%M:%S}", f"{name}_gmt": f"{at:%Y-%m-%dT%H:%M:%S}"}

    def _post(self, base: str, id_: int, at: datetime) -> Value:
        kind = next((kind for kind, rest_base in self.types.items() if rest_base == base), base)
        value = {
            "id": id_, **self._times("date", at), **self._times("modified", at), "slug": f"{kind}-{id_}",
            "status": "publish", "type": kind, "link": f"{self.url}/{kind}-{id_}/", "author": 1,
            "title": {"rendered": f"Title {id_}"}, "guid": {"rendered": f"{self.url}/?p={id_}"}, "meta": [],
        }  # fmt: skip
        if kind == "attachment":
            return value | {
                "source_url": f"{self.url}/wp-content/{id_}.jpg", "media_type": "image", "alt_text": "A quay",
                "mime_type": "image/jpeg", "caption": {"rendered": ""}, "media_details": {"width": 800, "height": 600},
            }  # fmt: skip
        return value | {
            "content": {"rendered": f"<p>Körper of {kind} {id_}, about ferries and tides.</p>", "protected": False},
            "excerpt": {"rendered": "", "protected": False}, "featured_media": 0, "categories": [1], "tags": [],
            "comment_status": "open", "sticky": False,
        }  # fmt: skip

    def _user(self, id_: int, at: datetime) -> Value:
        return {"id": id_, "name": f"Author {id_}", "slug": f"author-{id_}", "link": f"{self.url}/author/{id_}/",
                "avatar_urls": {}, "description": ""}  # fmt: skip

    def _term(self, id_: int, at: datetime) -> Value:
        return {"id": id_, "name": f"Term {id_}", "slug": f"term-{id_}", "taxonomy": "category", "parent": 0,
                "count": 3, "link": f"{self.url}/category/{id_}/", "description": "", "meta": []}  # fmt: skip

    def _comment(self, id_: int, at: datetime) -> Value:
        return {"id": id_, "post": 1, "parent": 0, "author": 0, "author_name": "Reader", "author_url": "",
                **self._times("date", at), "content": {"rendered": "<p>Yes.</p>"}, "link": f"{self.url}/#c{id_}",
                "status": "approved", "type": "comment", "meta": []}  # fmt: skip

    # -- answering ----------------------------------------------------------------------------------------------

    def reply(self, asked: Asked) -> Reply:
        if asked.route is None:
            return self._page(asked)
        if asked.route == "":
            return as_json(_only(self.index, asked.params))
        namespace, _, rest = asked.route.partition("/v2/")
        if namespace != "wp" or "wp/v2" not in self.index["namespaces"]:
            return refused(404, "rest_no_route")
        if rest == "types":
            described = {k: {"slug": k, "rest_base": b, "rest_namespace": "wp/v2"} for k, b in self.types.items()}
            return as_json(described)
        if rest == "taxonomies":
            bases = {"category": "categories", "post_tag": "tags"}
            return as_json({k: {"slug": k, "rest_base": b, "rest_namespace": "wp/v2"} for k, b in bases.items()})
        if rest == "users/me":
            return refused(401, "rest_not_logged_in", "You are not currently logged in.")
        base, _, id_ = rest.partition("/")
        if base not in self.lists:
            return refused(404, "rest_no_route")
        return self._single(base, int(id_), asked) if id_ else self._list(base, asked.params)

    def _page(self, asked: Asked) -> Reply:
        headers = {"Content-Type": HTML_TYPE}
        if self.advertises:
            headers["Link"] = f'<{self.api}>; rel="https://api.w.org/"'
        if asked.path.endswith(("/robots.txt", ".xml")) or "feed" in asked.params:
            return Reply(404, b"<html>Nothing here.</html>", headers)
        body = f"<html><link href='{self.url}/wp-content/style.css'><body>Welcome to {self.url}</body></html>"
        return Reply(200, body.encode(), headers)

    def _single(self, base: str, id_: int, asked: Asked) -> Reply:
        for value in self.lists[base]:
            if value["id"] == id_:
                return as_json(_only(value, asked.params))
        return self.gone.get((base, id_)) or refused(404, "rest_post_invalid_id", "Invalid post ID.")

    def _list(self, base: str, params: dict[str, str]) -> Reply:
        is_dated = base not in ("users", "categories", "tags", "comments")
        size = int(params.get("per_page", 10))
        if not 1 <= size <= 100:
            message = "per_page must be between 1 (inclusive) and 100 (inclusive)"
            return refused(400, "rest_invalid_param", message, params={"per_page": message})
        rows = [value for value in self.lists[base] if self._wanted(value, params, is_dated)]
        offset = int(params["offset"]) if "offset" in params and base not in ("users", "categories", "tags") else None
        start = offset if offset is not None else (int(params.get("page", 1)) - 1) * size
        rows = self._ordered(rows, params.get("orderby", "date" if is_dated else "name"), params, start)
        total = 0 if offset is not None and offset >= len(rows) else len(rows)
        if offset is None and rows and start >= len(rows) and is_dated:
            return refused(400, "rest_post_invalid_page_number", "The page number requested is larger.")
        shown = rows[start : start + size]
        pages = {"X_WP_Total": str(total), "X_WP_TotalPages": str(-(-total // size))}
        reply = as_json([_only(value, params) for value in shown], **pages)
        reply.shown = shown
        return reply

    def _wanted(self, value: Value, params: dict[str, str], is_dated: bool) -> bool:
        if "include" in params and str(value["id"]) not in params["include"].split(","):
            return False
        if "slug" in params and value.get("slug") != params["slug"]:
            return False
        names = {"after": "date", "before": "date", "modified_after": "modified", "modified_before": "modified"}
        for name, column in names.items():
            if is_dated and name in params:
                stated = str(value.get(column) or "")
                bound = self._local(params[name])
                if not (stated > bound if name.endswith("after") else stated < bound):
                    return False
        return True

    def _local(self, text: str) -> str:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
        at = at.astimezone(ZoneInfo(self.zone)) if at.tzinfo else at
        return f"{at:%Y-%m-%dT%H:%M:%S}"

    def _ordered(self, rows: list[Value], orderby: str, params: dict[str, str], start: int) -> list[Value]:
        is_down = params.get("order", "desc" if orderby in ("date", "modified") else "asc") == "desc"
        if orderby in ("date", "modified"):
            # Equal times come in another order on each page, as the database's sort has no tie-break.
            return sorted(rows, key=lambda v: (str(v.get(orderby) or ""), v["id"] * (start + 7) % 101), reverse=is_down)
        return sorted(rows, key=lambda value: value["id"], reverse=is_down)


def _only(value: Value, params: dict[str, str]) -> Value:
    names = {name.split(".")[0] for name in params.get("_fields", "").split(",") if name}
    return {name: entry for name, entry in value.items() if not names or name in names}


class BreakableServer:
    """Sites on one free loopback port, in a thread. ``asked`` holds every request; ``faults`` are tried in order."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.asked: list[Asked] = []
        self.sites: dict[str, Site] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> BreakableServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def port(self) -> int:
        return int(self._server.server_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def site(self, folder: str = "", **options: Any) -> Site:
        """Install a site at the root or in a folder such as ``/blog``."""
        self.sites[folder] = Site(self.url + folder, **options)
        return self.sites[folder]

    def routes(self, ending: str = "") -> list[Asked]:
        """Return the requests to REST routes that end so."""
        return [asked for asked in self.asked if asked.route is not None and asked.route.endswith(ending)]

    def _understood(self, target: str, headers: dict[str, str]) -> tuple[Site, Asked]:
        parts = urlsplit(target)
        params = dict(parse_qsl(parts.query, keep_blank_values=True))
        folder = next(f for f in sorted(self.sites, key=len, reverse=True) if parts.path.startswith(f + "/") or not f)
        site, inside = self.sites[folder], parts.path.removeprefix(folder)
        route = None
        if "rest_route" in params:
            route = params.pop("rest_route").strip("/")
        elif inside.startswith("/wp-json") and site.permalinks == "pretty":
            route = inside.removeprefix("/wp-json").strip("/")
        return site, Asked(parts.path, route, params, headers, len(self.asked), headers.get("Host", ""))

    def _reply(self, target: str, headers: dict[str, str]) -> Reply:
        with self._lock:
            if not self.sites:
                return Reply(404, b"nobody lives here")
            site, asked = self._understood(target, headers)
            self.asked.append(asked)
            reply = site.reply(asked)
            for fault in list(self.faults):
                reply = fault(asked, reply) or reply
            return reply

    def _handler(server) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = 1 << 20

            def do_GET(self) -> None:
                reply = server._reply(self.path, dict(self.headers.items()))
                if reply.delay_s:
                    time.sleep(reply.delay_s)
                try:
                    self._send(reply)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def _send(self, reply: Reply) -> None:
                if reply.reset:
                    # Closing with a zero linger sends RST instead of FIN.
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                pieces = [reply.body[: reply.cut]]
                if reply.drip_s:
                    pieces = [reply.body[start : start + 16] for start in range(0, len(reply.body), 16)]
                for piece in pieces:
                    self.wfile.write(piece)
                    self.wfile.flush()
                    time.sleep(reply.drip_s)
                if reply.cut is not None:
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
