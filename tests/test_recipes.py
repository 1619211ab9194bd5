"""The recipes in docs/recipes: each query runs as ``presslake sql`` would run it, and its page shows the true answer.

Write the answers into the pages again with ``python tests/test_recipes.py``.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
import pytest
from recipe_lakes import EXAMPLES, recipe_lake

from flows.jobs import IngestRequest, ingest
from flows.settings import Settings
from warehouse.catalog import macros, views
from warehouse.formats import write
from warehouse.query import connect, run_query

RECIPES = Path(__file__).resolve().parents[1] / "docs" / "recipes"
NOTEBOOK = RECIPES / "notebook.ipynb"
PAGES = sorted(RECIPES.glob("[0-9]*.md"))
_SQL = re.compile(r"^```sql\n(.*?)^```", re.MULTILINE | re.DOTALL)
_RESULT = re.compile(r"(?<=<!-- result -->\n)(.*?)(?=<!-- /result -->)", re.DOTALL)


def answer(lake: str, page: Path) -> str:
    """Return what the page's query answers, as a Markdown table."""
    (sql,) = _SQL.findall(page.read_text())
    out = io.StringIO()
    connection = connect(lake)
    try:
        write(run_query(connection, sql), "markdown", out)
    finally:
        connection.close()
    return out.getvalue()


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    return recipe_lake(tmp_path_factory.mktemp("recipes")).root


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_recipe_gives_the_answer_on_its_page(page: Path, lake: str) -> None:
    (shown,) = _RESULT.findall(page.read_text())
    assert shown == answer(lake, page), "run: python tests/test_recipes.py"
    # An empty or an endless table shows nobody how it is read.
    assert 3 <= shown.count("\n") <= 14


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_recipe_is_whole(page: Path) -> None:
    text = page.read_text()
    parts = ["**Question.**", "**Who asks.**", "```sql", "<!-- result -->", "**How to read it.**", "Limits: "]
    places = [text.find(part) for part in parts]
    assert -1 not in places and places == sorted(places)
    (sql,) = _SQL.findall(text)
    # Rows in a stable order, from nothing but what the catalog offers everybody.
    assert re.search(r"^ORDER BY ", sql, re.MULTILINE)
    assert not re.search(r"\b(lake|information_schema)\.|\w+_parquet\(", sql)
    asked = set(re.findall(r"\b(?:FROM|JOIN) (\w+)", sql)) - set(re.findall(r"(\w+) AS \(", sql))
    offered = {view.name for view in views()} | {macro.name for macro in macros()}
    assert asked and asked <= offered, asked - offered
    assert max(len(line) for line in sql.splitlines()) <= 120


def test_the_index_lists_every_recipe_and_no_other() -> None:
    listed = re.findall(r"\]\(([\w-]+\.(?:md|ipynb))\)", (RECIPES / "index.md").read_text())
    assert sorted(listed) == sorted([*(page.name for page in PAGES), "notebook.ipynb"])
    assert len(PAGES) >= 12
    for page in PAGES:
        assert (RECIPES / "index.md").read_text().count(page.read_text().splitlines()[0].removeprefix("# ")) == 1


def test_the_notebook_is_stored_bare() -> None:
    stored = json.loads(NOTEBOOK.read_text())
    nbformat.validate(stored)
    assert (stored["nbformat"], stored["nbformat_minor"]) == (4, 5)
    for cell in stored["cells"]:
        assert re.fullmatch(r"[a-z]+", cell["id"]) and not cell["metadata"]
        assert cell.get("outputs", []) == [] and cell.get("execution_count") is None


def test_the_notebook_runs_on_the_demo_lake(tmp_path: Path, settings: Settings) -> None:
    ingest(IngestRequest((str(EXAMPLES / "rest"), str(EXAMPLES / "notes"))), settings)
    # Kernels and plots keep files in the home directory, unless told otherwise.
    homes = {name: str(tmp_path / name) for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR")}
    script = Path(__file__).with_name("run_notebook.py")
    done = subprocess.run(
        [sys.executable, str(script), str(NOTEBOOK), str(tmp_path / "done.ipynb")],
        cwd=tmp_path, env={**os.environ, **homes, "PRESSLAKE_LAKE": settings.lake}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    outputs: list[dict[str, Any]] = []
    for cell in json.loads((tmp_path / "done.ipynb").read_text())["cells"]:
        outputs += cell.get("outputs", [])
    # A warning would come as a stream, too.
    assert {output["output_type"] for output in outputs} == {"execute_result", "display_data"}, outputs
    (image,) = [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    assert base64.b64decode(image).startswith(b"\x89PNG") and len(image) > 5_000
    assert "alderbayledger.example" in "".join(outputs[0]["data"]["text/plain"])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        built = recipe_lake(Path(folder)).root
        for page in PAGES:
            table = answer(built, page)
            page.write_text(_RESULT.sub(lambda _: table, page.read_text()))  # noqa: B023
