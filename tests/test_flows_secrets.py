"""Canaries in every channel through which presslake is given a secret; none comes out anywhere."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from breakable_faults import delayed, on, relisted
from breakable_server import Asked, BreakableServer, Reply, as_json
from lakes import ingested
from processes import family, processes
from test_flows_up import Up

from flows.settings import Settings
from flows.sources import load
from flows.wordpress.secrecy import Secrets
from schemas.errors import UsageError
from schemas.sources import Source, shown

ROOT = Path(__file__).resolve().parents[1]
USER, PASSWORD, TOKEN = "canary-clerk", "CANA ry+w/ 0rd9 8765", "c4n4ry-t0ken-42"
HOOK = "hook-c4n4ry-19"
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
HIDDEN = (PASSWORD, PASSWORD.replace(" ", ""), BASIC, BASIC.rstrip("="), TOKEN, "proxy-c4n4ry", "netrc-c4n4ry")


def echoing(asked: Asked, reply: Reply) -> Reply | None:
    """Let a server tell everybody what it was told."""
    told = asked.headers.get("Authorization", "")
    if asked.route == "wp/v2/users/me":
        return as_json({"id": 1, "slug": f"clerk {told}", "roles": [told]})
    if asked.route == "wp/v2/tags":
        return as_json({"code": "rest_forbidden", "message": f"Not for {told} {PASSWORD}", "data": {}}, 403)
    if asked.route == "wp/v2/comments":
        return Reply(302, b"", {"Location": f"/wp-json/wp/v2/away?auth={told}&token={TOKEN}"})
    if asked.route == "wp/v2/away":
        return as_json({"code": "gone", "message": told}, 404)
    if asked.route is None:
        headers = {"Content-Type": "text/html", "Link": reply.headers.get("Link", ""), "ETag": told}
        return Reply(200, f"<html>{told} {asked.params}</html>".encode(), headers)
    return None


def whispering(asked: Asked, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    told = asked.headers.get("Authorization", "")
    said = f"<p>{told} and {PASSWORD}, {PASSWORD.replace(' ', '')} and {TOKEN}</p>"
    return [
        {**row, "content": {"rendered": said}, "title": {"rendered": told}, "link": f"{row['link']}?k={TOKEN}"}
        for row in rows
    ]


@pytest.mark.timeout(200)
def test_no_canary_comes_out_anywhere(breakable: BreakableServer, tmp_path: Path) -> None:
    breakable.site().fill(posts=5)
    breakable.faults += [echoing, relisted("posts", whispering)]
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password netrc-c4n4ry\n")
    lake = tmp_path / "L"
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "PRESSLAKE_USER": USER, "PRESSLAKE_APP_PASSWORD": PASSWORD,
        "NETRC": str(netrc), "https_proxy": "http://me:proxy-c4n4ry@127.0.0.1:9", "no_proxy": "127.0.0.1",
        "XDG_RUNTIME_DIR": str(tmp_path), "PRESSLAKE_MAX_RETRIES": "1",
    }  # fmt: skip

    def presslake(*arguments: str) -> str:
        command = [sys.executable, "-m", "flows.cli", *arguments, "--lake", str(lake)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
        return done.stdout + done.stderr

    address = f"{breakable.url}/?key={TOKEN}"
    said = presslake("ingest", address, "--json") + presslake("ingest", address, "--full", "--log-format", "json")
    assert '"fetched": 5' in said  # the login was seen, or nothing of this would have been tried
    assert any(BASIC in asked.headers.get("Authorization", "") for asked in breakable.asked)
    assert any(asked.params.get("key") == TOKEN for asked in breakable.asked)
    said += presslake("ingest", f"http://nowhere.invalid/?key={TOKEN}") + presslake("status") + presslake("runs")
    said += presslake("ingest", f"https://{USER}:proxy-c4n4ry@host.example/")
    said += presslake("ingest", f"https://me:{TOKEN}@/") + presslake("ingest", f"ftp://me:{TOKEN}@host/")
    said += presslake("report", "-o", str(tmp_path / "report.html"))
    for format_ in ("jsonl", "markdown"):
        said += presslake("export", "--format", format_, "-o", str(tmp_path / f"out-{format_}"))
    for table in ("runs", "quarantine"):
        said += presslake("sql", f"SELECT * FROM {table}", "--format", "json")
    doctor = [sys.executable, "-m", "flows.cli", "doctor", address]
    done = subprocess.run(doctor, capture_output=True, text=True, env=environment, cwd=tmp_path)
    said += done.stdout + done.stderr
    stored = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and p != netrc)
    payloads = presslake("sql", "SELECT payload::VARCHAR AS p FROM raw", "--format", "json")
    for canary in HIDDEN:
        for spelling in {canary, canary.replace("/", "\\/"), canary.replace(" ", "%20").replace("/", "%2F")}:
            assert spelling not in said and spelling not in payloads, canary
            assert spelling.encode() not in stored, canary


def test_errors_that_quote_an_address_leave_its_tokens_out(breakable: BreakableServer, settings: Settings) -> None:
    breakable.site().fill(posts=3)
    breakable.faults.append(on("", lambda reply: Reply(404, b"{}", {})))
    outcome = ingested(settings, f"{breakable.url}/?key={TOKEN}")
    assert TOKEN not in json.dumps(outcome.as_json()) and outcome.exit_code == 1


@pytest.mark.parametrize(("given", "as_shown"), [
    (f"https://a.example/?key={TOKEN}&p=3", "https://a.example/?key=…&p=3"),
    (f"https://me:{TOKEN}@a.example/", "https://…@a.example/"),
    (f"https://{TOKEN}@a.example/?x=@", "https://…@a.example/?x=…"),
    (f"https://a.example/#{TOKEN}", f"https://a.example/#{TOKEN}"),
    ("https://a.example/?rest_route=/", "https://a.example/?rest_route=/"), ("notes/a?b=c.txt", "notes/a?b=c.txt"),
])  # fmt: skip
def test_an_address_as_it_is_shown(given: str, as_shown: str) -> None:
    assert shown(given) == as_shown


@pytest.mark.parametrize(
    "given", [f"https://me:{TOKEN}@/", f"ftp://me:{TOKEN}@x/", f"https://me:{TOKEN}@x/", f"http://me:{TOKEN}@x:99999/",
              f"http://me:{TOKEN}@[::1"]
)  # fmt: skip
def test_an_address_that_is_refused_gives_no_secret_away(given: str) -> None:
    with pytest.raises(UsageError) as caught:
        Source.parse(given)
    assert TOKEN not in str(caught.value)


def test_a_configuration_that_is_wrong_gives_no_secret_away(tmp_path: Path) -> None:
    for line in (f'"https://me:{TOKEN}@a.example" = {{}}', f'"https://a.example/?k={TOKEN}" = {{ odd = 1 }}'):
        (tmp_path / "presslake.toml").write_text(f"[sources]\n{line}\n")
        with pytest.raises(UsageError) as caught:
            load(tmp_path)
        assert TOKEN not in str(caught.value)


def test_a_source_with_a_token_is_found_by_what_was_written(tmp_path: Path) -> None:
    given = f"https://a.example/?k={TOKEN}"
    (tmp_path / "presslake.toml").write_text(f'[sources]\n"{given}" = {{}}\n')
    (entry,) = load(tmp_path, given)
    assert entry.source.address == given and TOKEN not in entry.source.given
    assert entry.is_meant(entry.source.given)


def test_short_words_are_not_masked() -> None:
    assert not Secrets(("me", "abc"), "https://a.example/?k=abc")._text or Secrets(None, "").masked("abc") == "abc"
    assert Secrets(None, "https://a.example/?p=1234567").masked("1234567") == "1234567"


def test_nothing_is_changed_where_nothing_is_secret(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    body = os.urandom(1000)
    assert Secrets(None, "https://a.example/").masked_bytes(body) is body
    assert replace(settings).credentials is None


def watched(process: subprocess.Popen[str], until: Callable[[], Any]) -> set[str]:
    """Return the command lines of a process and all that it started, until something is so or it ends."""
    seen: set[str] = set()
    limit = time.monotonic() + 150
    while process.poll() is None and not until() and time.monotonic() < limit:
        mine = set(family(process.pid))
        seen |= {line for pid, line in processes() if pid in mine}
        time.sleep(0.02)
    return seen


@pytest.fixture
def secretive(breakable: BreakableServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose sources and alerts have tokens, and an environment with a login."""
    site = breakable.site().fill(posts=40)
    for post in site.lists["posts"]:  # enough of it for workers
        post["content"]["rendered"] = "<p>The boats come home at noon, all nine of them.</p>" * 1000
    known = as_json({"id": 1, "slug": "clerk", "roles": ["editor"]})
    breakable.faults += [on("users/me", lambda reply: known), on("posts", delayed(0.3))]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "presslake.toml").write_text(
        f'[settings]\nlake = "L"\nalert_url = "{breakable.url}/hook?token={HOOK}"\nper_page = 10\nworkers = 2\n'
        f'\n[sources]\n"{breakable.url}/?key={TOKEN}" = {{}}\n'
    )
    monkeypatch.setenv("PRESSLAKE_USER", USER)
    monkeypatch.setenv("PRESSLAKE_APP_PASSWORD", PASSWORD)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "in"


def unsaid(text: str) -> None:
    for canary in (*HIDDEN, HOOK):
        assert canary not in text, canary


@pytest.mark.timeout(240)
def test_no_command_line_holds_a_secret(breakable: BreakableServer, secretive: Path) -> None:
    command = [sys.executable, "-m", "flows.cli", "sync"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=secretive, env=environment, text=True, stderr=subprocess.PIPE) as process:
        lines = watched(process, lambda: False)
        assert process.wait() == 0, lines
    assert any("sync" in line for line in lines) and any("forkserver" in line for line in lines), lines
    assert any(BASIC in asked.headers.get("Authorization", "") for asked in breakable.asked)
    unsaid(" ".join(lines))


@pytest.mark.timeout(400)
def test_prefect_is_told_no_secret(breakable: BreakableServer, secretive: Path) -> None:
    up = Up(secretive)
    up.start()
    try:
        run = up.trigger("sync", {}).json()["id"]
        ends = ("COMPLETED", "FAILED", "CRASHED")
        lines = watched(up.process, lambda: up.state(run) in ends)
        assert up.state(run) == "COMPLETED", up.texts(run)
        told = [up.post(f"{what}/filter", {}).text for what in
                ("flow_runs", "deployments", "block_documents", "artifacts", "logs", "task_runs")]  # fmt: skip
    finally:
        up.end()
    assert any(BASIC in asked.headers.get("Authorization", "") for asked in breakable.asked)
    assert len(lines) >= 3  # server, worker, the run
    unsaid(" ".join(lines))
    unsaid(" ".join(told))
    for path in secretive.rglob("*"):
        if path.is_file() and path.name != "presslake.toml":
            unsaid(path.read_bytes().decode("latin-1"))
