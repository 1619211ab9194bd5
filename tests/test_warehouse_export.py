"""Corpora out of a real lake: complete, the same every time, safe names, bounded memory."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pyarrow.parquet as pq
import pytest
import yaml
from test_warehouse_query import PEAK, document, tree

from schemas.errors import UsageError
from schemas.rules import validate
from schemas.tables import DOCUMENTS
from warehouse import catalog, commit
from warehouse.export import export, safe_name
from warehouse.lake import Lake

AWKWARD = "a: \"b\" # \\ \n--- \u0085\u2028\ufeff\x07 'c' 😀 - =x"
DECLARED = [column.name for column in DOCUMENTS.columns if column.name != DOCUMENTS.partition]


def make(root: Path, rows: list[dict[str, object]]) -> Lake:
    lake = Lake.open(str(root), create=True)
    table, _, errors = validate(DOCUMENTS, rows)
    assert not errors
    commit.commit_documents(lake, table)
    catalog.publish(lake)
    return lake


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    terms = [{"taxonomy": "category", "id": "1", "name": "Nüws", "slug": "news"}]
    return make(
        tmp_path_factory.mktemp("export") / "lake",
        [
            document(2, slug="same", terms=terms, language="de"),
            document(1, slug="same", title="=cmd()", text="-1", markdown="# H\n\ntext\n\n\n"),
            document(3, slug="same"),
            document(10, title=AWKWARD, published_at=datetime(1202, 1, 2, tzinfo=UTC)),
            document(1, site="other.org/blog", kind="../../evil", id="../../x"),
            document(1, site="..", kind="con", id="NUL.txt"),
            document(1, site="files", kind="document", id="notes/" + "ä" * 300 + ".txt", text="", markdown=""),
            document(1, site="gone.org", deleted_at=datetime(2026, 5, 1, tzinfo=UTC)),
        ],
    )


def test_jsonl_holds_every_document_in_order(lake: Lake, tmp_path: Path) -> None:
    assert export(lake, where=None, format="jsonl", output=str(tmp_path / "x.jsonl")) == 7
    found = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().split("\n")[:-1]]
    keys = [(d["site"], d["kind"], d["id"]) for d in found]
    assert keys == sorted(keys) and len(keys) == 7
    assert all(list(d) == DECLARED for d in found)
    assert next(d for d in found if d["id"] == "2")["terms"][0]["name"] == "Nüws"


def test_csv_is_safe_for_spreadsheets(lake: Lake, tmp_path: Path) -> None:
    export(lake, where="id = '1' AND site = 'example.com'", format="csv", output=str(tmp_path / "x.csv"))
    with open(tmp_path / "x.csv", newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["title"], row["text"], row["published_at"]) == ("'=cmd()", "'-1", "2026-04-11T02:13:00Z")


def test_parquet_holds_every_column(lake: Lake, tmp_path: Path) -> None:
    assert export(lake, where="language = 'de'", format="parquet", output=str(tmp_path / "x.parquet")) == 1
    assert pq.read_table(tmp_path / "x.parquet").column_names == DECLARED


def test_markdown_makes_one_safe_file_per_document(lake: Lake, tmp_path: Path) -> None:
    assert export(lake, where=None, format="markdown", output=str(tmp_path / "out")) == 7
    files = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.md")}
    assert {"example.com/post/same.md", "other.org-blog/evil/x.md", "untitled/_con/_NUL.txt.md"} <= files
    assert len(files) == 7 and len([name for name in files if "/same-" in name]) == 2
    assert all(len(part.encode()) <= 120 for name in files for part in name.split("/"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_front_matter_is_yaml_that_says_what_the_document_says(lake: Lake, tmp_path: Path) -> None:
    export(lake, where="site = 'example.com'", format="markdown", output=str(tmp_path / "out"))
    found = {}
    for path in (tmp_path / "out").rglob("*.md"):
        _, head, body = path.read_text(encoding="utf-8").split("---\n", 2)
        matter = yaml.safe_load(head)
        found[matter["id"]] = (matter, body)
    assert found["10"][0]["title"] == AWKWARD
    assert found["10"][0]["published_at"].year == 1202
    assert found["2"][0]["terms"] == [{"taxonomy": "category", "id": "1", "name": "Nüws", "slug": "news"}]
    assert found["2"][0]["published_at"] == datetime(2026, 4, 11, 2, 13, tzinfo=UTC)
    assert "excerpt" not in found["2"][0]
    assert found["1"][1] == "\n# H\n\ntext\n"


def test_every_line_of_jsonl_is_a_document(lake: Lake, tmp_path: Path) -> None:
    export(lake, where="id = '10'", format="jsonl", output=str(tmp_path / "x.jsonl"))
    (line,) = (tmp_path / "x.jsonl").read_bytes().splitlines()
    assert json.loads(line)["title"] == AWKWARD


def test_no_text_of_a_csv_is_a_formula(lake: Lake, tmp_path: Path) -> None:
    export(lake, where=None, format="csv", output=str(tmp_path / "x.csv"))
    with open(tmp_path / "x.csv", newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert [cell for cell in cells if cell.startswith("'=")]
    assert not [cell for cell in cells if cell[:1] in set("=+-@\t\r")]


@pytest.mark.parametrize("format", ["jsonl", "csv", "parquet", "markdown"])
def test_the_same_lake_gives_the_same_bytes(lake: Lake, tmp_path: Path, format: str) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        export(lake, where=None, format=format, output=str(tmp_path / name / "x"))
    assert tree(tmp_path / "one") == tree(tmp_path / "two") != {}


@pytest.mark.parametrize(
    "where",
    [
        "1=1; DROP VIEW documents",
        "1=1) UNION ALL SELECT * FROM raw WHERE (1=1",
        "1=1 ORDER BY 1 LIMIT 1",
        "1=1 FROM raw",
        "1=1 /*",
        "1=1, 2=2",
        "",
        "nothing = 1",
        "count(*) > 1",
        "id = $1",
        "id IN (SELECT content FROM read_text('/etc/passwd'))",
        "id IN (FROM query('SELECT 1'))",
        "id IN (WITH t AS (COPY (SELECT 1) TO '/tmp/x.csv') FROM t)",
        "getenv('HOME') = ''",
    ],
)
def test_where_is_one_condition_or_nothing(lake: Lake, tmp_path: Path, where: str) -> None:
    before = tree(Path(lake.root))
    with pytest.raises(UsageError) as error:
        export(lake, where=where, format="jsonl", output=str(tmp_path / "x.jsonl"))
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == [] and tree(Path(lake.root)) == before


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("id = '1' -- and more", 4),
        ("id = '1' OR id = '2'", 5),
        ("id IN (SELECT id FROM document_terms)", 1),
        ("false", 0),
    ],
)
def test_where_chooses(lake: Lake, tmp_path: Path, where: str, count: int) -> None:
    expected = count if "'1'" not in where else count - 3
    assert export(lake, where=where, format="jsonl", output=str(tmp_path / "x")) == expected


def test_a_folder_is_replaced_only_when_it_is_an_export(lake: Lake, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(lake, where=None, format="markdown", output=str(out))
    assert export(lake, where="id = '2'", format="markdown", output=str(out)) == 1
    assert len(list(out.rglob("*.md"))) == 1
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.md").write_text("years of work")
    for target in (tmp_path / "mine", tmp_path / "mine" / "thesis.md"):
        with pytest.raises(UsageError):
            export(lake, where=None, format="markdown", output=str(target))
    assert (tmp_path / "mine" / "thesis.md").read_text() == "years of work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "out"]


def test_an_export_does_not_replace_the_folder_that_a_lake_was_put_in(lake: Lake, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(lake, where=None, format="markdown", output=str(out))
    shutil.copytree(lake.root, out / "lake")
    before = tree(tmp_path)
    with pytest.raises(UsageError, match="inside this folder"):
        export(Lake.open(str(out / "lake")), where=None, format="markdown", output=str(out))
    assert tree(tmp_path) == before


@pytest.mark.parametrize("output", ["missing/x", "lake"])
def test_a_place_that_cannot_be_is_refused(lake: Lake, tmp_path: Path, output: str) -> None:
    target = lake.root + "/x" if output == "lake" else str(tmp_path / output)
    for format in ("jsonl", "markdown"):
        with pytest.raises(UsageError):
            export(lake, where=None, format=format, output=target)


def test_an_unknown_format_is_refused(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="jsonl, csv"):
        export(lake, where=None, format="xml", output=str(tmp_path / "x"))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("plain", "plain"), ("../../etc/passwd", "etc-passwd"), ("..", "untitled"), ("", "untitled"),
        (".hidden", "hidden"),
        ("CON", "_CON"), ("lpt1.txt", "_lpt1.txt"), ("a\x00b\nc", "a-b-c"), ("a/b\\c:d", "a-b-c-d"),
        ("中文 标题", "中文-标题"),
        ("e\u0301", "é"), ("\u202eevil", "evil"), ("x" * 500, "x" * 120), ("ä" * 100, "ä" * 60),
        ("-rf", "rf"),
    ],
)  # fmt: skip
def test_any_text_makes_a_safe_name(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_memory_does_not_grow_with_the_documents(tmp_path: Path) -> None:
    random = Random(1)

    def words(number: int) -> str:
        return f"{number} " + " ".join(random.choices(vocabulary, k=1250))

    vocabulary = [f"word{n:05}" for n in range(9000)]
    rows = [document(n, text=words(n), markdown=words(n)) for n in range(5000)]
    lake = make(tmp_path / "lake", rows)
    code = (
        "import sys\n"
        "from warehouse.export import export\n"
        "from warehouse.lake import Lake\n"
        "lake = Lake.open(sys.argv[1])\n"
        f"{PEAK}"
        "export(lake, where=\"id < '2'\", format=sys.argv[2], output=sys.argv[3]); before = peak()\n"
        "export(lake, where=None, format=sys.argv[2], output=sys.argv[3]); print(peak() - before, before)\n"
    )
    for format in ("jsonl", "parquet"):
        command = [sys.executable, "-c", code, lake.root, format, str(tmp_path / "out")]
        runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(5)]
        measured = [tuple(map(int, run.split())) for run in runs]
        assert all(before + grown < 600 for grown, before in measured), measured
        size = sum(len(str(row["text"])) + len(str(row["markdown"])) for row in rows) >> 20
        # What allocators keep of freed memory differs from run to run by more than half of the text (measured). It
        # only adds to what the export itself holds, so the smallest of five tells most of that.
        grown, before = min(measured)
        assert grown < size, f"{format}: {before} + {grown} MB for {size} MB of text"
