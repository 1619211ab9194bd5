"""Names and texts that speak to what shows or stores them: SQL, HTML, terminals, spreadsheets, YAML, Markdown."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import confined
from lakes import ingested, query
from localinputs import write

from flows.settings import Settings
from schemas.records import Rejection

DROP = "'; DROP TABLE documents; --"
SPOKEN = [
    DROP, '"; DROP VIEW documents; --', "../../../../tmp/up", "/etc/passwd", "a\x00b", "one\ntwo\r\nthree", "x" * 4096,
    "Case", "case", "CON", "aux.txt", "nul.", "com1.md", " ", ".", "..", "~", "$(touch up)", "`touch up`", "%00%2e%2e%2f",
    "\x1b]0;owned\x07\x1b[2J", "\x9b31m", "\u202eevil", "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1",
    "<script>alert(1)</script>", "|a|[b](javascript:alert(1))|<img src=x onerror=1>|", "---\n- x", "!!python/object:os.x",
    "*alias", "&anchor", "{{ 7 * 7 }}", "%s%n{0}", "日本語\ufeff", "e\u0301", "\u00e9",
]  # fmt: skip
KEPT = [said for said in SPOKEN if "\x00" not in said]
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of posts whose ids, titles, texts and authors all say one of these; read twice."""
    folder = tmp_path_factory.mktemp("spoken")
    posts = [
        {
            "id": said, "type": "post", "link": "https://p.example/?p=1", "slug": said, "date_gmt": "2024-05-01T10:00:00",
            "title": {"rendered": said.replace("&", "&amp;").replace("<", "&lt;")}, "author_name": said,
            "content": {"rendered": f"<p>{said.replace('&', '&amp;').replace('<', '&lt;')}</p>"},
        }
        for said in SPOKEN
    ]  # fmt: skip
    write(folder / "in" / "posts.json", json.dumps(posts).encode())
    for said in SPOKEN:
        name = said.replace("/", "%2F").replace("\x00", "%00").encode()[:200].decode("utf-8", "ignore")
        if name not in (".", ".."):
            write(folder / "in" / "names" / name, f"{said}\n\nThe tide is out.\n".encode())
    settings = Settings(lake=str(folder / "L"), workers=1)
    ingested(settings, str(folder / "in"), site=None)
    ingested(settings, str(folder / "in"), site=None)
    # The same under a site with such a name.
    ingested(settings, str(folder / "in" / "names"), site=DROP)
    return folder


def test_every_name_comes_back_as_it_was_and_nothing_lies_beside_the_lake(spoken: Path) -> None:
    rows = query(spoken / "L", "SELECT id, title, document_version FROM documents WHERE kind = 'post'")
    assert {row["id"] for row in rows} == set(KEPT) and len(rows) == len(KEPT)
    (refused_one,) = query(spoken / "L", "SELECT DISTINCT kind, rule FROM quarantine WHERE site = 'p.example'")
    assert refused_one["rule"]  # no table may hold a NUL in a key
    assert {row["document_version"] for row in query(spoken / "L", "SELECT document_version FROM documents")} == {1}
    assert sorted(path.name for path in spoken.iterdir()) == ["L", "in"]
    for path in (spoken / "L").rglob("*"):
        relative = str(path.relative_to(spoken / "L"))
        assert len(path.name) < 200 and relative.isprintable() and not re.search(r"DROP|touch|script|CON\b", relative)
    (again,) = query(spoken / "L", "SELECT count(*) AS n FROM runs WHERE stream = 'files' AND changed > 0")
    assert again["n"] == 0


def said_by(spoken: Path, *arguments: str) -> str:
    done = confined(*arguments, "--lake", str(spoken / "L"), work=spoken)
    assert done.returncode in (0, 1, 2) and "Traceback" not in done.stderr, (arguments, done.stderr)
    return done.stdout + done.stderr


@pytest.mark.timeout(300)
def test_no_command_obeys_what_the_lake_says(spoken: Path, tmp_path: Path) -> None:
    before = query(spoken / "L", "SELECT site, id, title FROM documents ORDER BY ALL")
    shown = [
        said_by(spoken, "sql", f"SELECT site, id, title FROM documents WHERE title = '{DROP.replace(chr(39), chr(39) * 2)}'"),
        said_by(spoken, "sql", "SELECT id, title, text FROM documents"),
        said_by(spoken, "sql", "SELECT id, title FROM documents", "--format", "markdown"),
        said_by(spoken, "sql", f"SELECT * FROM {DROP}"), said_by(spoken, "sql", f"FROM search('{DROP}')"),
        said_by(spoken, "sql", f"FROM search('{DROP.replace(chr(39), chr(39) * 2)}')"),
        said_by(spoken, "status"), said_by(spoken, "runs"), said_by(spoken, "check"),
        said_by(spoken, "quarantine", "list"), said_by(spoken, "quarantine", "show", DROP),
        said_by(spoken, "purge", "--site", f"nowhere{DROP}", "--yes"), said_by(spoken, "purge", "--author", "\x1b[2J" + DROP),
        said_by(spoken, "export", "--where", f"title = {DROP}", "-o", str(tmp_path / "x.jsonl")),
        said_by(spoken, "report", "-o", str(tmp_path / "report.html")),
        said_by(spoken, "ingest", "\x1b[2J" + DROP), said_by(spoken, "ingest", str(tmp_path / ("\u202e" + DROP))),
    ]  # fmt: skip
    for text in shown:
        assert not _OBEYED.search(text), text
    assert query(spoken / "L", "SELECT site, id, title FROM documents ORDER BY ALL") == before
    page = (tmp_path / "report.html").read_text()
    assert "<script" not in page and "<img" not in page and not _OBEYED.search(page)
    assert not list(spoken.rglob("up")) and not list(tmp_path.rglob("up"))


def test_spreadsheets_and_front_matter_hold_what_was_said_and_obey_nothing(spoken: Path, tmp_path: Path) -> None:
    titles = {
        row["id"]: row["title"] for row in query(spoken / "L", "SELECT id, title FROM documents WHERE kind = 'post'")
    }
    for command in (("export", "--format", "csv"), ("sql", "SELECT * FROM documents", "--format", "csv")):
        out = tmp_path / f"{command[0]}.csv"
        said_by(spoken, *command, "-o", str(out))
        with open(out, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) >= len(KEPT)
        if command[0] == "export":
            for row in rows:
                assert not any(value.startswith(("=", "+", "-", "@", "\t", "\r")) for value in row.values()), row
    said_by(spoken, "export", "--format", "markdown", "--where", "kind = 'post'", "-o", str(tmp_path / "md"))
    files = list((tmp_path / "md").rglob("*.md"))
    assert len(files) == len({str(path).lower() for path in files}) == len(KEPT)
    for path in files:
        assert path.resolve().is_relative_to(tmp_path / "md")
        _, matter, _ = path.read_text(encoding="utf-8").split("---\n", 2)
        read = yaml.safe_load(matter)
        assert read["title"] == titles[read["id"]] and read["id"] in SPOKEN


def test_prefect_s_summary_shows_markup_instead_of_being_it() -> None:
    from markdown_it import MarkdownIt
    from test_flows_summaries import row

    from flows.jobs import Outcome
    from flows.summaries import markdown_summary
    from schemas.errors import BlockedSourceError

    said = "|a|[b](javascript:alert(1))|<img src=x onerror=1>|\n# h\n![p](http://h.example/x) `c` <b>b</b> http://x.example"
    refusal: Any = ("https://c.example/" + said, BlockedSourceError(said))
    rejection = Rejection(said, "post", "1", "no_title", said, "rest")
    text = markdown_summary(Outcome("r1", "/lakes/a", [row(said, "posts", "blocked", said)], [refusal], [rejection]))
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert not re.search(r"<(img|a|b|script|h1)[\s>]", html), html
    assert html.count("<tr>") == 2 and html.count("<td") == 10
