"""A site leads nowhere into our own network: not by redirect, header, sitemap, feed or a name that changes its mind."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from breakable_faults import on, redirected
from breakable_server import Asked, BreakableServer, Reply
from lakes import ingested
from test_flows_cli import presslake

from flows.settings import Settings
from flows.wordpress.egress import Egress, is_public
from flows.wordpress.retrieval import Client
from schemas.errors import SourceError


@pytest.mark.parametrize("address", [
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "192.0.0.8", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0",
    "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe",
    "64:ff9b::7f00:1", "2002:7f00:1::", "2002:c0a8:101::1", "2001:db8::1",
])  # fmt: skip
def test_no_address_of_a_private_network_is_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "198.51.101.7", "2606:4700::1111", "64:ff9b::101:101"])
def test_the_open_internet_is(address: str) -> None:
    assert is_public(address)


@pytest.fixture
def inner() -> Iterator[BreakableServer]:
    """What must not be reached: another server on this machine."""
    with BreakableServer() as server:
        server.site().fill(posts=3)
        yield server


def linked(target: str) -> Any:
    """Answer the home page with a Link header that names another place's API."""

    def fault(asked: Asked, reply: Reply) -> Reply | None:
        if asked.route is not None:
            return None
        return Reply(200, b"<html></html>", {"Link": f'<{target}/wp-json/>; rel="https://api.w.org/"'})

    return fault


def closed(asked: Asked, reply: Reply) -> Reply | None:
    return (
        Reply(403, b'{"code": "rest_forbidden"}', {"Content-Type": "application/json"})
        if asked.route is not None
        else None
    )


def serving(path: str, body: str) -> Any:
    def fault(asked: Asked, reply: Reply) -> Reply | None:
        return Reply(200, body.encode(), {"Content-Type": "application/xml"}) if asked.path.endswith(path) else None

    return fault


SITEMAPS = (
    '<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><sitemap><loc>{}</loc></sitemap></sitemapindex>'
)


@pytest.mark.parametrize("how", ["redirect", "redirect of the home page", "link", "sitemap", "stated home"])
def test_what_a_site_leads_to_is_not_asked(
    breakable: BreakableServer, inner: BreakableServer, settings: Settings, how: str
) -> None:
    site = breakable.site().fill(posts=3)
    breakable.faults += {
        "redirect": [on("posts", redirected(f"{inner.url}/wp-json/wp/v2/posts"))],
        "redirect of the home page": [on("", redirected(inner.url + "/"))],
        "link": [linked(inner.url)],
        "sitemap": [closed, serving("wp-sitemap.xml", SITEMAPS.format(f"{inner.url}/wp-sitemap.xml"))],
        "stated home": [],
    }[how]
    if how == "stated home":
        site.url = inner.url
    outcome = ingested(settings, breakable.url)
    assert not inner.asked
    if how == "redirect":
        # The other streams come in, and the gap has its name.
        (posts,) = [row for row in outcome.streams if row["stream"] == "posts"]
        assert posts["completeness"] != "complete" and "not on the open internet" in posts["reason"]
        assert any(row["stream"] == "tags" and row["completeness"] == "complete" for row in outcome.streams)


def test_it_may_be_allowed(breakable: BreakableServer, inner: BreakableServer, tmp_path: Any) -> None:
    breakable.site().fill(posts=3)
    breakable.faults.append(on("posts", redirected(f"{inner.url}/wp-json/wp/v2/posts")))
    command = ("ingest", breakable.url, "--kinds", "posts", "--lake", str(tmp_path / "L"), "--json")
    refused = presslake(*command)
    assert refused.returncode != 0 and "--allow-private" in refused.stderr + refused.stdout
    allowed = json.loads(presslake(*command, "--allow-private").stdout)
    assert allowed["streams"][0]["fetched"] == 3 and inner.asked


def test_what_the_user_names_may_be_anywhere(breakable: BreakableServer, settings: Settings) -> None:
    breakable.site().fill(posts=3)
    assert ingested(settings, breakable.url).exit_code == 0


def test_a_name_that_changes_its_mind_gains_nothing(
    breakable: BreakableServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    answers = iter(["93.184.215.14", "127.0.0.1"])
    real = socket.getaddrinfo

    def rebinding(host: Any, port: Any, *given: Any, **more: Any) -> Any:
        if host != "rebind.example":
            return real(host, port, *given, **more)
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    connected: list[str] = []

    def connect(address: tuple[str, int], *given: Any, **more: Any) -> Any:
        connected.append(address[0])
        raise ConnectionRefusedError("not here")

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
    with Client(replace(settings, max_retries=0), origin="http://other.example") as client:
        with pytest.raises(SourceError, match="rebind.example"):
            client.get("http://rebind.example/")
        with pytest.raises(SourceError, match=r"rebind\.example:80, which is at 127\.0\.0\.1"):
            client.get("http://rebind.example/")
    # Resolved once a connection, and connected to what was checked.
    assert len(asked) == 2 and connected == ["93.184.215.14"]


@pytest.mark.parametrize(("origin", "host", "port", "is_it"), [
    ("http://127.0.0.1:8080/blog", "127.0.0.1", 8080, True), ("http://127.0.0.1:8080", "127.0.0.1", 9000, False),
    ("http://intranet", "intranet", 443, True), ("https://Intranet", "intranet", 80, True),
    ("https://intranet", "intranet", 8443, False), ("https://intranet", "intranet.example", 443, False),
    ("", "127.0.0.1", 80, False),
])  # fmt: skip
def test_an_origin_is_host_and_port(origin: str, host: str, port: int, is_it: bool) -> None:
    assert Egress(origin, allow_private=False)._is_origin(host, port) is is_it


@pytest.mark.parametrize("scheme", ["file:///etc/passwd", "gopher://127.0.0.1:70/", "ftp://127.0.0.1/"])
def test_other_schemes_are_not_followed(breakable: BreakableServer, settings: Settings, scheme: str) -> None:
    breakable.site().fill(posts=3)
    breakable.faults.append(on("posts", redirected(scheme)))
    outcome = ingested(settings, breakable.url)
    (posts,) = [row for row in outcome.streams if row["stream"] == "posts"]
    assert posts["completeness"] != "complete" and posts["fetched"] == 0
