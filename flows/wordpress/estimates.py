"""What reading windows of a site would cost, asked of the site itself."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from flows.settings import Settings
from flows.wordpress.api import Listing
from flows.wordpress.asking import Asker
from flows.wordpress.changes import Window
from flows.wordpress.discovery import discover
from flows.wordpress.pace import is_loopback
from flows.wordpress.retrieval import Client
from flows.wordpress.streams import Stream, chosen, streams_of
from schemas.errors import SourceError

_PER_PAGE = 100
# Finding the API, its types and taxonomies, and robots.txt, once a window.
_OVERHEAD = 5


def stream_costs(
    address: str, settings: Settings, kinds: tuple[str, ...], windows: list[tuple[datetime, datetime]]
) -> list[dict[str, Any]]:
    """Return documents, requests, bytes and minutes of each stream; what is refused has the reason instead.

    Raises:
        SourceError: the site cannot be reached or has no API.
        UsageError: it has no such stream.
    """
    with Client(settings, settings.credentials, address) as client:
        client.respect_robots(address)
        api = discover(client, address)
        streams = [stream for stream in chosen(streams_of(api)[0], kinds) if stream.has_offset or kinds]
        asker = Asker(api)
        rate = 0.0 if is_loopback(address.split("://")[-1].split("/")[0].split(":")[0]) else 1 / settings.requests_per_s
        began, before = time.monotonic(), client.traffic.requests
        costs = [_cost(client, asker, stream, windows, rate) for stream in streams]
        mean_s = max((time.monotonic() - began) / max(1, client.traffic.requests - before), rate)
        return [*costs, _discovery(len(windows), mean_s)]


def _cost(
    client: Client, asker: Asker, stream: Stream, windows: list[tuple[datetime, datetime]], interval_s: float
) -> dict[str, Any]:
    row = {"stream": stream.name, "documents": 0, "requests": 0, "bytes": 0, "minutes": 0.0, "reason": None}
    span = Window(windows[0][0], windows[-1][1])
    params = span.parameters() if stream.has_offset else {}
    before, began = client.traffic.bytes, time.monotonic()
    try:
        page: Listing = asker.page(stream, per_page=_PER_PAGE, orderby="id", order="asc", **params)
    except SourceError as error:
        return {**row, "reason": str(error)}
    seconds = max(time.monotonic() - began, interval_s)
    total = page.total if page.total is not None else len(page.records)
    mean = (client.traffic.bytes - before) / max(1, len(page.records))
    # A window is asked with a day more on either side, walked, and counted again at its end.
    pages = sum(max(1, -(-share // _PER_PAGE)) for share in _spread(total, len(windows)))
    requests = 2 * pages
    return {
        **row, "documents": total, "requests": requests, "bytes": round(total * mean * 1.1),
        "minutes": round(requests * seconds / 60, 2),
    }  # fmt: skip


def _discovery(windows: int, mean_s: float) -> dict[str, Any]:
    requests = _OVERHEAD * windows
    minutes = round(requests * mean_s / 60, 2)
    return {"stream": "discovery", "documents": 0, "requests": requests, "bytes": 0, "minutes": minutes, "reason": None}


def _spread(total: int, windows: int) -> list[int]:
    return [total // windows + (number < total % windows) for number in range(windows)]
