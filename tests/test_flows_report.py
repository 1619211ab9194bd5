"""The report in a real browser: it stands alone, runs nothing, fits every window, and says what SQL says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from browser import BrowserUnavailable, browser
from documents import row
from lakes import query
from lxml import html as markup
from report_lakes import HOSTILE, lake_of, run_row, varied

from flows.report.page import write_report
from schemas.errors import UsageError

ROOT = Path(__file__).resolve().parents[1]
WINDOWS = {"desktop": (1280, 900), "tablet": (768, 1024), "phone": (390, 844), "small": (320, 568)}
SHAPES = ("varied", "empty", "single", "undated", "two_days", "far_off", "many_sites")

# What the page really shows: the colour of each text and of what lies under it.
CONTRASTS = """() => {
  const parse = c => c.match(/[\\d.]+/g).map(Number);
  const line = v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = c => { const f = c.slice(0, 3).map(v => line(v / 255));
    return .2126 * f[0] + .7152 * f[1] + .0722 * f[2]; };
  const under = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const seen = [];
  for (const e of document.querySelectorAll('h1, h2, h3, p, a, dt, dd, li, th, td, summary, svg text')) {
    if (!e.checkVisibility() || !e.textContent.trim()) continue;
    const style = getComputedStyle(e);
    const a = light(parse(e instanceof SVGElement ? style.fill : style.color)), b = light(under(e));
    seen.push([(Math.max(a, b) + .05) / (Math.min(a, b) + .05), e.tagName, e.textContent.slice(0, 30)]);
  }
  return seen;
}"""


def _lake(shape: str, folder: Path) -> Any:
    day = datetime(2026, 3, 1, 22, tzinfo=UTC)
    if shape == "varied":
        return varied(folder)
    if shape == "empty":
        return lake_of(folder)
    if shape == "single":
        return lake_of(folder, row(1, word_count=1, language="en"), runs=[run_row("example.org", "files")])
    if shape == "undated":
        return lake_of(folder, *(row(n, published_at=None, title=HOSTILE[n]) for n in range(5)))
    if shape == "two_days":
        return lake_of(folder, *(row(n, published_at=day + timedelta(hours=n * 3)) for n in range(12)))
    if shape == "far_off":
        dates = [datetime(1204, 5, 6, tzinfo=UTC), *(day - timedelta(days=n) for n in range(400))]
        return lake_of(folder, *(row(n, published_at=date) for n, date in enumerate(dates)))
    sites = [f"site-{n:04}.example" for n in range(700)]
    return lake_of(
        folder, *(row(n, site=site) for n, site in enumerate(sites)), runs=[run_row(s, "posts") for s in sites]
    )


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The report of a lake of every shape, beside its lake."""
    folder = tmp_path_factory.mktemp("report")
    for shape in SHAPES:
        lake = _lake(shape, folder / f"lake-{shape}")
        assert write_report(lake.root, str(folder / f"{shape}.html")) == (folder / f"{shape}.html").stat().st_size
    return {shape: folder / f"{shape}.html" for shape in SHAPES}


@pytest.fixture(scope="module")
def chromium(pages: dict[str, Path]) -> Iterator[Any]:
    """A real browser, started when all pages are made."""
    try:
        with browser() as started:
            yield started
    except BrowserUnavailable as reason:
        pytest.fail(str(reason))


@pytest.fixture
def opened(chromium: Any) -> Iterator[Any]:
    """Opens a page; everything that it asked for, wrote to the console or put up as a dialog is an error."""
    told: list[str] = []
    contexts = []

    def show(path: Path, window: str = "desktop", scheme: str = "light") -> Any:
        width, height = WINDOWS[window]
        context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        address = path.as_uri()
        page.on("request", lambda asked: told.append(f"asked for {asked.url}") if asked.url != address else None)
        page.on("requestfailed", lambda asked: told.append(f"failed: {asked.url}"))
        page.on("console", lambda line: told.append(f"console: {line.text}"))
        page.on("pageerror", lambda error: told.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (told.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(address)
        return page

    yield show
    for context in contexts:
        context.close()
    assert not told


def _tree(path: Path) -> Any:
    return markup.fromstring(path.read_bytes())


def _rows(path: Path, figure: str) -> list[list[str]]:
    """Return the table of a figure as text, without its head."""
    found = _tree(path).xpath(f"//figure[@id='figure-{figure}']//tbody/tr")
    return [[" ".join(cell.text_content().split()) for cell in line] for line in found]


def _number(text: str) -> int:
    return int(text.replace(",", ""))


# -- what it shows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("shape", SHAPES)
def test_it_fits_every_window_and_reads_well(pages: dict[str, Path], opened: Any, shape: str, window: str) -> None:
    page = opened(pages[shape], window)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1], wide
    # Every chart is there once, and no text of it hangs out of its card.
    drawn = page.evaluate("""[...document.querySelectorAll('figure')].map(f => {
        const shown = [...f.querySelectorAll('svg')].filter(s => s.checkVisibility());
        const card = f.getBoundingClientRect();
        return [f.id, shown.length, [...f.querySelectorAll('svg text')].filter(t => t.checkVisibility() && (b =>
            b.left < card.left || b.right > card.right || b.bottom > card.bottom)(t.getBoundingClientRect()))
            .map(t => t.textContent)] })""")
    assert all(count == 1 and not out for _, count, out in drawn), drawn
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        seen = page.evaluate(CONTRASTS)
        low = [entry for entry in seen if entry[0] < 4.5]
        assert len(seen) > 20 and not low, low[:5]


def test_charts_follow_when_dark_and_light_change_over(pages: dict[str, Path], opened: Any) -> None:
    page = opened(pages["varied"])
    colours = "[...new Set([...document.querySelectorAll('svg path')].map(p => getComputedStyle(p).fill))]"
    light = page.evaluate(colours)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(colours)
    assert len(light) >= 5 and not set(light) & set(dark)


def test_it_prints_the_wide_charts_on_white(pages: dict[str, Path], opened: Any) -> None:
    page = opened(pages["varied"], "phone", "dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("[...document.querySelectorAll('svg')].every(s => s.checkVisibility() == s.matches('.wide'))")


def test_keys_reach_everything_and_trap_nowhere(pages: dict[str, Path], opened: Any) -> None:
    page = opened(pages["varied"])
    reached, summaries = [], page.locator("summary").count()
    for _ in range(200):
        page.keyboard.press("Tab")
        tag, text, outline = page.evaluate(
            "(e => [e.tagName, e.textContent, parseFloat(getComputedStyle(e).outlineWidth)])(document.activeElement)"
        )
        if tag == "BODY":
            break
        assert outline >= 2, (tag, text)
        reached.append((tag, text))
    assert reached[0] == ("A", "Skip to the figures")
    assert sum(tag == "SUMMARY" for tag, _ in reached) == summaries >= 10
    assert len(reached) < 50
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.querySelector('details').open")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "region"


@pytest.mark.parametrize("shape", SHAPES)
def test_it_makes_sense_without_being_seen(pages: dict[str, Path], shape: str) -> None:
    tree = _tree(pages[shape])
    assert tree.get("lang") == "en" and tree.xpath("string(//title)")
    levels = [int(heading.tag[1]) for heading in tree.iter("h1", "h2", "h3", "h4")]
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))
    assert [len(tree.xpath(f"//{part}")) for part in ("header", "nav", "main", "footer")] == [1, 1, 1, 1]
    ids = tree.xpath("//@id")
    assert len(ids) == len(set(ids))
    for reference in [
        *tree.xpath("//@aria-labelledby"),
        *(link[1:] for link in tree.xpath("//a/@href[starts-with(., '#')]")),
    ]:
        assert reference in ids
    for figure in tree.iter("figure"):
        name = figure.xpath(".//h3")[0].text_content()
        finding = figure.xpath("./figcaption/p")[0].text_content()
        assert name and finding.endswith(".")
        for drawn in figure.iter("svg"):
            assert drawn.get("role") == "img" and name in drawn.get("aria-label") and finding in drawn.get("aria-label")
        assert figure.xpath(".//details//table[caption]/thead//th[@scope='col']")
        assert all(line[0].tag == "th" and line[0].get("scope") == "row" for line in figure.xpath(".//tbody/tr"))
    summaries = [summary.text_content() for summary in tree.iter("summary")]
    assert len(summaries) == len(set(summaries))


# -- what it says -------------------------------------------------------------------------------------------


def _equal(page: Path, figure: str, columns: slice, sql: str) -> None:
    """Compare numbers of a figure's table with an independent count over the views."""
    lake = page.with_name(f"lake-{page.stem}")
    expected = [[str(value) for value in line.values()] for line in query(lake, sql)]
    found = [[cell.replace(",", "") for cell in line[columns]] for line in _rows(page, figure)]
    assert found[: len(expected)] == expected and expected


def test_numbers_are_what_sql_counts(pages: dict[str, Path]) -> None:
    page = pages["varied"]
    counts = "count(*) AS n"
    _equal(
        page, "sizes", slice(1, 4), "SELECT documents, words, deleted FROM sites ORDER BY documents DESC, site LIMIT 15"
    )
    _equal(
        page,
        "languages",
        slice(2, 3),
        f"SELECT {counts} FROM documents GROUP BY split_part(language, '-', 1) ORDER BY n DESC",
    )
    _equal(
        page,
        "categories",
        slice(1, 2),
        f"SELECT {counts} FROM document_terms GROUP BY name ORDER BY n DESC, name LIMIT 15",
    )
    _equal(page, "domains", slice(0, 2), f"SELECT domain, {counts} FROM links WHERE NOT is_internal AND domain <> ''"
           " GROUP BY domain ORDER BY n DESC, domain")  # fmt: skip
    _equal(page, "rejections", slice(0, 3), f"SELECT reason, {counts}, count(DISTINCT id) AS r FROM quarantine"
           " GROUP BY reason ORDER BY n DESC, reason")  # fmt: skip
    _equal(page, "most-edited", slice(2, 3), f"SELECT {counts} FROM document_changes WHERE change = 'edited'"
           " GROUP BY site, kind, id ORDER BY n DESC LIMIT 10")  # fmt: skip
    _equal(page, "changes", slice(1, 2), "SELECT count(*) FILTER (WHERE is_content_changed AND NOT is_title_changed) AS a"
           " FROM document_changes WHERE change = 'edited'")  # fmt: skip
    worst = _rows(page, "completeness")[0][0]
    assert {line[2] for line in _rows(page, "completeness") if line[0] == worst} > {"blocked"}
    (runs,) = query(page.with_name("lake-varied"), "SELECT count(*) AS n, count(*) FILTER (WHERE completeness = 'complete')"
                    " AS complete, count(*) FILTER (WHERE completeness = 'blocked') AS blocked FROM runs")  # fmt: skip
    finding = _tree(page).xpath("string(//figure[@id='figure-completeness']/figcaption/p)")
    assert f"complete for {runs['complete']} of {runs['n']} streams" in finding
    assert f" {runs['blocked']} blocked" in finding


def test_every_document_is_somewhere_on_the_axes(pages: dict[str, Path]) -> None:
    lake = pages["varied"].with_name("lake-varied")
    (expected,) = query(lake, "SELECT count(*) AS n, count(published_at) AS dated, count(word_count) AS words,"
                        " count(CASE WHEN modified_at IS NOT NULL AND published_at IS NOT NULL THEN 1 END) AS both,"
                        " (SELECT count(*) FROM documents_all WHERE deleted_at IS NOT NULL) AS gone FROM documents")  # fmt: skip
    totals = {
        name: sum(_number(line[1]) for line in _rows(pages["varied"], name))
        for name in ("publishing", "lengths", "last-changes", "removals", "sizes")
    }
    assert expected["gone"] == 40
    assert totals == {
        "publishing": expected["dated"], "lengths": expected["words"], "last-changes": expected["both"],
        "removals": expected["gone"], "sizes": expected["n"],
    }  # fmt: skip
    daily = query(lake, "SELECT year(day)::VARCHAR AS year, sum(documents)::INT AS n FROM publishing_daily GROUP BY 1")
    by_year = {line["year"]: line["n"] for line in daily}
    found = dict.fromkeys(by_year, 0)
    for label, count, _ in _rows(pages["varied"], "publishing"):
        found[label[-4:]] += _number(count)
    assert found == by_year
    assert "without a date are not shown" in pages["varied"].read_text()


def test_gaps_stand_as_nought_and_the_unit_suits_the_range(pages: dict[str, Path]) -> None:
    hours = _rows(pages["two_days"], "publishing")
    assert len(hours) == 34 and [line[1] for line in hours[:4]] == ["1", "0", "0", "1"]
    assert hours[0][0] == "1 Mar 2026, 22:00"
    weeks = _rows(pages["far_off"], "publishing")
    assert weeks[0][0].startswith("week of ") and 50 < len(weeks) < 160
    text = pages["far_off"].read_text()
    assert re.search(r"\d documents? from before week of", text)
    months = _rows(pages["varied"], "publishing")
    assert len(months) <= 160 and months[0][0] == "Feb 2016"


def test_many_sites_are_cut_short_and_counted(pages: dict[str, Path]) -> None:
    lines = _rows(pages["many_sites"], "sizes")
    assert len(lines) == 16 and lines[-1][:2] == ["and 685 more sites", "685"]
    assert "site-0000.example and 699 other sites" in pages["many_sites"].read_text()
    assert pages["many_sites"].stat().st_size < 200_000


def test_small_lakes_say_so(pages: dict[str, Path]) -> None:
    assert "The lake holds no documents yet" in pages["empty"].read_text()
    assert not _tree(pages["empty"]).xpath("//figure")
    assert "No document has a publication date." in pages["undated"].read_text()
    single = pages["single"].read_text()
    assert "<h1>example.org</h1>" in single and "The one document has 1 word." in single
    assert "1 document published, all in the same hour" in single and "<dt>document</dt>" in single


def test_hostile_text_is_text(pages: dict[str, Path], opened: Any) -> None:
    raw = pages["varied"].read_bytes()
    text = raw.decode("utf-8")
    # Nothing hides or turns the writing direction, and no value ends an element.
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]", text)
    assert text.count("<style") == text.count("</style") == 1 and "<script" not in text and "<img" not in text
    assert "W" * 400 not in text and not re.search("\u0335\u0336\u0337\u0335\u0336", text)
    assert "&lt;img src=x onerror=alert(2)&gt;" in text and "${7*7} {{7*7}} $title %s" in text
    tree = _tree(pages["varied"])
    known = {"d", "transform", "fill", "opacity", "stroke", "text-anchor", "font-size", "role", "aria-label", "viewbox",
             "width", "height", "class", "x", "y", "x2", "y2", "fill-opacity", "stroke-width"}  # fmt: skip
    for element in tree.xpath("//svg/descendant-or-self::*"):
        assert {name.lower() for name in element.attrib} <= known, element.attrib
    for link in tree.xpath("//a/@href"):
        assert link.startswith(("#", "https://example.org/")), link
    assert not tree.xpath("//script | //img | //iframe | //object | //svg//image | //svg//a | //svg//use | //@style")
    page = opened(pages["varied"])
    # A click on everything that can be hovered or opened starts nothing.
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert page.locator("script, img, [onerror], [onload]").count() == 0
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).display") == "block"


def test_the_policy_lets_nothing_run_even_if_it_got_in(pages: dict[str, Path], chromium: Any, tmp_path: Path) -> None:
    planted = pages["single"].read_text().replace(
        "</main>", "<script>document.title = 'ran'</script><img src='http://127.0.0.1:9/x' onerror='document.title = 1'>"
        "<style>body { display: none }</style></main>"
    )  # fmt: skip
    (tmp_path / "planted.html").write_text(planted)
    page = chromium.new_page()
    asked: list[str] = []
    page.on("response", lambda response: asked.append(response.url))
    page.goto((tmp_path / "planted.html").as_uri())
    assert page.title() == "example.org: a report"
    assert page.evaluate("getComputedStyle(document.body).display") == "block"
    assert asked == [(tmp_path / "planted.html").as_uri()]
    page.close()


def test_the_same_lake_gives_the_same_bytes(pages: dict[str, Path], tmp_path: Path) -> None:
    for number, zone in enumerate(("Pacific/Auckland", "America/St_Johns")):
        copied = tmp_path / f"elsewhere-{number}"
        shutil.copytree(pages["varied"].with_name("lake-varied"), copied)
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TZ": zone,
            "PYTHONHASHSEED": str(number),
            "LANG": "de_DE.UTF-8",
        }
        output = tmp_path / f"{number}.html"
        command = [sys.executable, "-m", "flows.cli", "report", "-o", str(output), "--lake", str(copied)]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert done.stdout == "" and "report of" in done.stderr
        assert output.read_bytes() == pages["varied"].read_bytes()


def test_it_is_made_without_a_network(pages: dict[str, Path], tmp_path: Path) -> None:
    if not shutil.which("unshare") or subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode:
        pytest.skip("no network namespace of our own here")
    lake, output = pages["single"].with_name("lake-single"), tmp_path / "x.html"
    command = ["unshare", "-n", sys.executable, "-m", "flows.cli", "report", "-o", str(output), "--lake", str(lake)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert output.read_bytes() == pages["single"].read_bytes()


def test_a_page_appears_whole_or_not_at_all(pages: dict[str, Path], tmp_path: Path) -> None:
    lake = str(pages["single"].with_name("lake-single"))
    (tmp_path / "report.html").write_text("before")
    broken = tmp_path / "broken"
    shutil.copytree(lake, broken)
    for file in (broken / "documents").rglob("*.parquet"):
        file.write_bytes(b"no parquet")
    with pytest.raises(Exception, match="Cannot read the figure gathered_documents.*publish"):
        write_report(str(broken), str(tmp_path / "report.html"))
    assert (tmp_path / "report.html").read_text() == "before"
    write_report(lake, str(tmp_path / "report.html"))
    assert (tmp_path / "report.html").read_bytes() == pages["single"].read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "report.html"]


def test_outputs_that_cannot_be_are_refused_in_one_line(pages: dict[str, Path], tmp_path: Path) -> None:
    lake = pages["single"].with_name("lake-single")
    (tmp_path / "link").symlink_to(lake)
    cases = {
        (lake, lake / "report.html"): "inside the lake", (lake, tmp_path / "link" / "x.html"): "inside the lake",
        (lake, tmp_path / "none" / "x.html"): "no folder", (lake, tmp_path): "is a folder",
        (tmp_path / "nothing", tmp_path / "x.html"): "presslake publish",
    }  # fmt: skip
    for (source, output), words in cases.items():
        with pytest.raises(UsageError, match=words) as refusal:
            write_report(str(source), str(output))
        assert "\n" not in str(refusal.value) and refusal.value.remedy
    assert [path.name for path in tmp_path.iterdir()] == ["link"] and not (lake / "report.html").exists()
