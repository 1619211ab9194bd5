"""docs/sql.md and docs/tools.md: every block runs, on a lake made of the examples."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import duckdb
import nbformat
import pytest
import yaml
from older_duckdb import environment

from flows.jobs import IngestRequest, ingest
from flows.settings import Settings
from warehouse.catalog import macros, publish, views
from warehouse.lake import Lake
from warehouse.query import connect, run_query

ROOT = Path(__file__).resolve().parents[1]
GUIDE, TOOLS = ((ROOT / "docs" / name).read_text() for name in ("sql.md", "tools.md"))
SHELL = "1.5.6"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def first_line(block: str) -> str:
    return block.split("\n", 1)[0][:60]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the examples and their lake after an edit, published by a relative path."""
    made = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "examples", made / "examples")
    before = os.getcwd()
    os.chdir(made)
    try:
        settings = Settings(lake="demo-lake", workers=1)
        ingest(IngestRequest(("examples",)), settings)
        timetable = made / "examples" / "notes" / "ferry-timetable.txt"
        timetable.write_text(timetable.read_text() + "\nNo sailing on the second Sunday of October.\n")
        ingest(IngestRequest(("examples",)), settings)
    finally:
        os.chdir(before)
    return made


def run(command: list[str] | str, folder: Path) -> subprocess.CompletedProcess[str]:
    homes = {name: str(folder / name) for name in ("HOME", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **homes, "PATH": path, "PYTHONPATH": str(ROOT)}
    is_text = isinstance(command, str)
    return subprocess.run(
        command, shell=is_text, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


def test_no_block_is_of_a_kind_that_nothing_runs() -> None:
    assert set(re.findall(r"^```(\w+)$", GUIDE, re.MULTILINE)) == {"sh", "sql", "refused"}
    assert set(re.findall(r"^```(\w+)$", TOOLS, re.MULTILINE)) == {"sh", "python", "jupyter", "yaml", "dbt", "r"}
    # What bears no name of a language, and what is in R, is said not to be run.
    bare = [block for block in re.split(r"^```", TOOLS, flags=re.MULTILINE)[1::2] if block.startswith("\n")]
    assert len(bare) == 1 and TOOLS.lower().count("not run here") == 4


@pytest.mark.parametrize("sql", blocks(GUIDE, "sql"), ids=first_line)
def test_a_query_of_the_guide_answers(folder: Path, sql: str) -> None:
    with connect(str(folder / "demo-lake")) as connection:
        assert sum(map(len, run_query(connection, sql).rows()))


@pytest.mark.parametrize("sql", blocks(GUIDE, "refused")[0].splitlines())
def test_what_the_guide_calls_refused_is(folder: Path, sql: str) -> None:
    before = sorted(folder.rglob("*"))
    done = run(["presslake", "sql", sql, "--lake", "demo-lake"], folder)
    assert (done.returncode, done.stdout) == (2, ""), done
    assert len(done.stderr.splitlines()) == 1
    assert sorted(folder.rglob("*")) == before


COMMANDS = [line for block in blocks(GUIDE, "sh") for line in block.splitlines()]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_guide_runs(folder: Path, command: str) -> None:
    assert "presslake " in command
    done = run(command, folder)
    assert done.returncode == 0, done.stderr
    written = re.search(r" -o (\S+)", command)
    assert (folder / written[1]).exists() if written else done.stdout.strip()


def test_the_guide_names_every_view_and_macro() -> None:
    for name in (*(view.name for view in views()), *(macro.name for macro in macros())):
        assert re.search(rf"`{name}\b|\b(FROM|JOIN) {name}\b", GUIDE), name


def test_what_the_guide_calls_cheap_reaches_the_files(folder: Path) -> None:
    def plan(condition: str, view: str = "documents", column: str = "title") -> str:
        with connect(str(folder / "demo-lake")) as connection:
            sql = f"EXPLAIN (FORMAT json) SELECT {column} FROM {view} WHERE {condition}"
            scans = re.findall(r'"name":\s*"READ_PARQUET[^}]*\}', str(next(run_query(connection, sql).rows())[0][1]))
        assert scans, sql
        assert not any('"text' in scan for scan in scans), "a column that is not named is not read"
        return " ".join(scans)

    assert "site = 'x'" in plan("site = 'x'")
    assert "published_at >= " in plan("published_at >= '2025-01-01' AND published_at < '2026-01-01'")
    for view in ("document_terms", "document_authors", "links", "images"):
        assert "site = 'x'" in plan("site = 'x'", view, "kind"), view
    assert "published_at" not in plan("year(published_at) = 2025").split("Filters")[-1]


@pytest.mark.parametrize("code", blocks(TOOLS, "python"), ids=lambda code: code.splitlines()[-1][:40])
def test_a_snippet_of_python_runs(folder: Path, code: str) -> None:
    done = run([sys.executable, "-W", "error", "-c", code], folder)
    assert done.returncode == 0, done.stderr
    assert "202" in done.stdout or "alderbayledger.example" in done.stdout


def test_the_cell_runs_in_jupyter(folder: Path) -> None:
    (cell,) = blocks(TOOLS, "jupyter")
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    nbformat.write(made, folder / "cell.ipynb")
    script = str(Path(__file__).with_name("run_notebook.py"))
    done = run([sys.executable, script, "cell.ipynb", "done.ipynb"], folder)
    assert done.returncode == 0, done.stderr
    (output,) = json.loads((folder / "done.ipynb").read_text())["cells"][0]["outputs"]
    assert output["output_type"] == "execute_result" and "alderbayledger" in "".join(output["data"]["text/plain"])


def _shell() -> list[str]:
    """Return what starts DuckDB's shell, in a virtual environment of its own that is made once."""
    home = environment(f"duckdb-cli-{SHELL}", f"DUCKDB SHELL {SHELL}", f"duckdb-cli=={SHELL}")
    # A script whose first line names the place where it was made.
    return [str(home / "bin" / name) for name in ("python", "duckdb")]


def test_the_shells_command_runs(folder: Path) -> None:
    (command,) = [line for block in blocks(TOOLS, "sh") for line in block.splitlines()]
    program, *arguments = shlex.split(command)
    assert program == "duckdb"
    done = run([*_shell(), *arguments], folder)
    assert done.returncode == 0, done.stderr
    assert "alderbayledger.example" in done.stdout and f"duckdb-cli {SHELL}" in TOOLS


def test_the_files_of_dbt_fit_together(folder: Path) -> None:
    profiles, sources = map(yaml.safe_load, blocks(TOOLS, "yaml"))
    output = profiles["articles"]["outputs"][profiles["articles"]["target"]]
    (attached,) = output["attach"]
    (source,) = sources["sources"]
    assert output["type"] == "duckdb" and attached["read_only"] is True
    assert source["database"] == attached["alias"] != "lake"
    (model,) = blocks(TOOLS, "dbt")
    names = {"source": (source["name"], "documents"), "relation": f"{attached['alias']}.{source['schema']}.documents"}
    sql = model.replace(f"{{{{ source{names['source']} }}}}", str(names["relation"]))
    assert "{{" not in sql
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{folder / attached['path']}' AS {attached['alias']} (READ_ONLY)")
        connection.execute(f"SET TimeZone = '{output['settings']['TimeZone']}'")
        assert len(connection.execute(sql).fetchall()) == 3
        for table in source["tables"]:
            columns = connection.execute(f"DESCRIBE {attached['alias']}.main.{table['name']}").fetchall()
            assert {column["name"] for column in table.get("columns", [])} <= {name for name, *_ in columns}


def test_the_alias_that_the_page_warns_of_does_not_do(folder: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{folder}/demo-lake/catalog.duckdb' AS lake (READ_ONLY)")
        with pytest.raises(duckdb.BinderException, match="Ambiguous"):
            connection.execute("FROM lake.main.documents")


def test_a_new_connection_sees_what_was_published_since(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "demo-lake", tmp_path / "moved")
    path = str(tmp_path / "moved" / "catalog.duckdb")

    def count() -> int:
        with duckdb.connect(path, read_only=True) as connection:
            connection.execute(f"SET VARIABLE lake_root = '{tmp_path / 'moved'}'")
            return int(connection.execute("SELECT count(*) FROM documents").fetchall()[0][0])

    before = count()
    (tmp_path / "one.txt").write_text("One\n\nmore.\n")
    ingest(IngestRequest((str(tmp_path / "one.txt"),)), Settings(lake=str(tmp_path / "moved"), workers=1))
    assert count() == before + 1
    publish(Lake.open(str(tmp_path / "moved")))
    with duckdb.connect(path, read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM documents").fetchall() == [(before + 1,)]


def test_the_page_names_the_versions_that_were_tested() -> None:
    for package in ("duckdb", "pandas", "Polars"):
        major, minor, *_ = version(package.lower()).split(".")
        assert f"{package} {major}.{minor}" in TOOLS, "say it anew: docs/tools.md"


def test_links_of_both_pages_lead_somewhere() -> None:
    for page in (GUIDE, TOOLS):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page):
            assert (ROOT / "docs" / target).is_file(), target
