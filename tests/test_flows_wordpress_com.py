"""Sites of wordpress.com, whose API is at another host: a fake of that host, as the real one cannot be reached from a test."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from breakable_server import BreakableServer
from lakes import ingested, query

from flows.settings import Settings
from flows.wordpress import sites
from flows.wordpress.retrieval import Client

ROOT = "https://public-api.wordpress.com/wp/v2/sites/tides.wordpress.com/"


class Elsewhere(requests.adapters.HTTPAdapter):
    """Answers for wordpress.com from a local server: its API without index, all else as pages without a hint."""

    def __init__(self, server: BreakableServer) -> None:
        super().__init__()
        self.server, self.asked = server, list[str]()

    def send(self, request: requests.PreparedRequest, *given: Any, **more: Any) -> requests.Response:
        asked = str(request.url)
        self.asked.append(asked)
        parts = urlsplit(asked)
        route = parts.path.removeprefix("/wp/v2/sites/tides.wordpress.com/") if asked.startswith(ROOT) else None
        if route is None:
            place = f"{self.server.url}/blog-without-api{parts.path}"
        elif route.strip("/"):
            place = f"{self.server.url}/wp-json/wp/v2/{route}"
        else:
            place = f"{self.server.url}/wp-json/no/index"
        request.url = place + (f"?{parts.query}" if parts.query else "")
        answer: requests.Response = super().send(request, *given, **more)
        answer.url = asked
        return answer


@pytest.fixture
def elsewhere(breakable: BreakableServer, monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    breakable.site().fill(posts=120, pages=2)
    breakable.sites[""].advertises = False
    adapter = Elsewhere(breakable)

    class Mounted(Client):
        def __post_init__(self) -> None:
            super().__post_init__()
            self._session.mount("https://", adapter)

    monkeypatch.setattr(sites, "Client", partial(Mounted, sleep=lambda _: None))
    return adapter


def test_a_site_of_wordpress_com_is_read_at_its_own_api(elsewhere: Elsewhere, settings: Settings) -> None:
    outcome = ingested(settings, "https://tides.wordpress.com/about/")
    assert outcome.exit_code == 0, outcome.as_json()
    assert query(settings.lake, "SELECT site, kind, count(*) AS n FROM documents GROUP BY ALL ORDER BY ALL") == [
        {"site": "tides.wordpress.com", "kind": "page", "n": 2},
        {"site": "tides.wordpress.com", "kind": "post", "n": 120},
    ]
    lists = {url.split("?")[0] for url in elsewhere.asked if url.startswith(ROOT)}
    assert ROOT + "posts" in lists and ROOT + "users" in lists and not any("wp/v2/wp/v2" in url for url in lists)
    before = len(elsewhere.asked)
    again = ingested(settings, "https://tides.wordpress.com")
    assert again.exit_code == 0 and sum(row["new"] + row["changed"] for row in again.streams) == 0
    assert len(elsewhere.asked) - before < 40
