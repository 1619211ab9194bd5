"""The faults that tests install in a ``BreakableServer``."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from dataclasses import replace

from breakable_server import HTML_TYPE, Asked, Fault, Reply, Site, as_json, refused

Change = Callable[[Reply], Reply]

NOTICE = b"<br />\n<b>Warning</b>: Undefined array key [0] in <b>/srv/plug-in.php</b> on line <b>7</b><br />\n"
TRAILER = b"\n<!-- Cached page generated in 0.7 seconds [disk] -->"
FATAL = b"<!DOCTYPE html><html><body><p>There has been a critical error on this website.</p></body></html>"
CHALLENGE = b"<!DOCTYPE html><html><title>Just a moment...</title><body>Checking your browser</body></html>"
# A home page whose own script holds what looks like records.
HOME = b'<!DOCTYPE html><html><body><script>var recent = [{"id": 3, "title": "wrong"}];</script>Welcome</body></html>'


def status(code: int, body: bytes = b"busy", **headers: str) -> Change:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda reply: Reply(code, body, {"Content-Type": "text/plain", **named})


def html(body: bytes, code: int = 200) -> Change:
    return lambda reply: Reply(code, body, {"Content-Type": HTML_TYPE})


def reset(reply: Reply) -> Reply:
    return replace(reply, reset=True)


def cut_short(reply: Reply) -> Reply:
    """Promise the whole length and send half of it."""
    return replace(reply, cut=len(reply.body) // 2)


def cut_json(reply: Reply) -> Reply:
    """Send half of the JSON as if it were all."""
    return replace(reply, body=reply.body[: len(reply.body) // 2])


def wrapped(before: bytes = b"", after: bytes = b"") -> Change:
    return lambda reply: replace(reply, body=before + reply.body + after)


def delayed(seconds: float) -> Change:
    return lambda reply: replace(reply, delay_s=seconds)


def dripping(seconds: float) -> Change:
    """Send the body in small pieces, each so much later."""
    return lambda reply: replace(reply, drip_s=seconds)


def headers(change: Callable[[dict[str, str]], dict[str, str]]) -> Change:
    return lambda reply: replace(reply, headers=change(reply.headers))


def gzipped(reply: Reply) -> Reply:
    return replace(reply, body=gzip.compress(reply.body), headers={**reply.headers, "Content-Encoding": "gzip"})


def in_cp1252(reply: Reply) -> Reply:
    text = json.dumps(json.loads(reply.body), ensure_ascii=False)
    return replace(reply, body=text.encode("cp1252", "replace"))


def closed(code: int = 401, name: str = "rest_login_required") -> Change:
    return lambda reply: refused(code, name, "Log in first.")


def redirected(address: str) -> Change:
    return lambda reply: Reply(302, b"", {"Location": address})


def on(ending: str, change: Change, *, times: int | None = None, when: Callable[[Asked], bool] | None = None) -> Fault:
    """Change the answers of REST routes that end so: the first ``times`` of them, or those that ``when`` picks."""
    left = [times]

    def fault(asked: Asked, reply: Reply) -> Reply | None:
        if asked.route is None or not asked.route.endswith(ending) or (when and not when(asked)):
            return None
        if left[0] is not None:
            left[0] -= 1
            if left[0] < 0:
                return None
        return change(reply)

    return fault


def poison(ending: str, id_: int, *, only_whole: bool = False, change: Change | None = None) -> Fault:
    """Fail with 500 whenever the answer would hold the record; ``only_whole``: not when only its id is asked for."""

    def fault(asked: Asked, reply: Reply) -> Reply | None:
        if asked.route is None or not asked.route.startswith(f"wp/v2/{ending}"):
            return None
        if only_whole and asked.params.get("_fields"):
            return None
        holds = any(value["id"] == id_ for value in reply.shown) or asked.route.endswith(f"/{id_}")
        return (change or status(500))(reply) if holds else None

    return fault


def at_most(ending: str, most: int, change: Change | None = None) -> Fault:
    """Fail when more than ``most`` records are asked for: the server is too weak for more."""
    return on(ending, change or status(500), when=lambda asked: int(asked.params.get("per_page", 1)) > most)


def seven_ways(chance: float, seed: int) -> Fault:
    """Fail a share of all requests, each in one of seven ways."""
    dice = random.Random(seed)
    ways = (status(429, Retry_After="0"), status(500), status(502), reset, cut_short, cut_json, html(FATAL))

    def fault(asked: Asked, reply: Reply) -> Reply | None:
        return dice.choice(ways)(reply) if dice.random() < chance and reply.body else None

    return fault


def relisted(ending: str, change: Callable[[Asked, list[dict[str, object]]], list[dict[str, object]]]) -> Fault:
    """Change the records of a list, keeping its headers."""

    def fault(asked: Asked, reply: Reply) -> Reply | None:
        if asked.route is None or not asked.route.endswith(ending) or reply.status != 200:
            return None
        fresh = as_json(change(asked, json.loads(reply.body)))
        return replace(reply, body=fresh.body)

    return fault


def understood(site: Site, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    """Let a site take the parameters of each request for others: those it does not know, or keeps lower."""
    answer = site.reply

    def reply(asked: Asked) -> Reply:
        asked.params = change(asked.params)
        return answer(asked)

    site.reply = reply  # type: ignore[method-assign]


def ignored(site: Site, *names: str) -> None:
    """Let a site take no notice of these parameters."""
    understood(site, lambda params: {name: value for name, value in params.items() if name not in names})
