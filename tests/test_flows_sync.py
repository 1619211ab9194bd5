"""``presslake.toml``: one line a source, errors that name the line, and a sync that reads them all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from breakable_server import BreakableServer
from lakes import query
from test_flows_cli import presslake

from flows.settings import Settings
from flows.sources import load
from flows.sync import sync
from schemas.errors import UsageError


def write(folder: Path, text: str) -> Path:
    (folder / "presslake.toml").write_text(text)
    return folder


def test_every_source_is_read_in_one_run(breakable: BreakableServer, tmp_path: Path) -> None:
    breakable.site().fill(posts=5)
    breakable.site("/blog").fill(posts=3)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "one.md").write_text("# One\n\nA note.\n")
    write(
        tmp_path,
        f'[settings]\nlake = "L"\n\n[sources]\n"{breakable.url}" = {{}}\n'
        f'"{breakable.url}/blog/" = {{ kinds = ["posts"], per_page = 2 }}\n'
        '"http://127.0.0.1:9/gone" = { max_retries = 0 }\n'
        '"notes" = { site = "my-notes" }\n',
    )
    done = presslake("sync", "--json", cwd=tmp_path)
    result = json.loads(done.stdout)
    # One source that cannot be reached does not stop the others.
    assert done.returncode == 3 and [entry["source"] for entry in result["failures"]] == ["http://127.0.0.1:9/gone"]
    sites = {
        row["site"]: row["n"] for row in query(tmp_path / "L", "SELECT site, count(*) AS n FROM documents GROUP BY 1")
    }
    host = f"127.0.0.1:{breakable.port}"
    assert sites == {host: 8, f"{host}/blog": 3, "my-notes": 1}
    assert query(tmp_path / "L", "SELECT DISTINCT command FROM runs") == [{"command": "sync"}]
    assert {asked.params["per_page"] for asked in breakable.routes("posts") if asked.path.startswith("/blog")} == {"2"}
    only = json.loads(presslake("sync", "--only", f"{host}/blog", "--json", cwd=tmp_path).stdout)
    assert {row["site"] for row in only["streams"]} == {f"{host}/blog"} and only["exit"] == 0


def test_a_login_is_named_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, '[sources]\n"https://news.example" = { auth = "news" }\n"https://other.example" = {}\n')
    monkeypatch.setenv("PRESSLAKE_NEWS_USER", "ann")
    monkeypatch.setenv("PRESSLAKE_NEWS_APP_PASSWORD", "secret")
    news, other = load(tmp_path)
    assert news.settings_from(Settings()).credentials == ("ann", "secret")
    assert other.settings_from(Settings()).credentials is None
    assert "secret" not in repr(news)


WRONG = {
    "no toml": ('[sources]\n"https://a.example" = {\n', "line 2|line 3"),
    "no table": (
        '[sources]\n# none yet\n"https://a.example" = 3\n',
        r"presslake.toml:3: https://a.example needs a table",
    ),
    "unknown option": (
        '[sources]\n"https://a.example" = {}\n"https://b.example" = { kindz = ["posts"] }\n',
        r"presslake.toml:3: unknown option kindz",
    ),
    "in a table of its own": (
        '[sources]\n[sources."https://a.example"]\nkinds = ["posts"]\nper_page = "many"\n',
        r"presslake.toml:4: .*per_page",
    ),
    "kinds as text": ('[sources]\n"https://a.example" = { kinds = "posts" }\n', r":2: kinds is no list"),
    "password in the address": ('[sources]\n"https://u:p@a.example" = {}\n', r":2: .*credentials"),
    "a cron line of three": ('[sources]\n"https://a.example" = { schedule = "0 * *" }\n', r":2: schedule"),
    "the lake of a source": ('[sources]\n"https://a.example" = { lake = "x" }\n', r":2: unknown option lake"),
    "no sources": ("[settings]\n", "names no sources"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, name: str) -> None:
    text, words = WRONG[name]
    with pytest.raises(UsageError, match=words):
        load(write(tmp_path, text))


def test_an_unknown_table_is_told(tmp_path: Path) -> None:
    write(tmp_path, '[source]\n"https://a.example" = {}\n')
    done = presslake("sync", cwd=tmp_path)
    assert done.returncode == 2 and "unknown table source" in done.stderr


def test_without_a_file_or_for_an_unknown_site_the_remedy_is_named(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(UsageError, match="presslake.toml"):
        sync(settings, folder=tmp_path)
    write(tmp_path, '[sources]\n"https://a.example" = {}\n')
    with pytest.raises(UsageError, match="https://a.example"):
        sync(settings, only="b.example", folder=tmp_path)
    assert not Path(settings.lake).exists()
