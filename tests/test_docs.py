"""The docs tell the truth: their commands and code run, their references are what the code says, and the site builds."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"


def _run_page(page: str, folder: Path, **replaced: str) -> str:
    """Run every ``sh`` and ``python`` block of a page, in their order, in a folder with the examples."""
    shutil.copytree(ROOT / "examples", folder / "examples")
    text = (DOCS / page).read_text()
    for old, new in replaced.items():
        text = text.replace(old, new)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    said = []
    for kind, block in re.findall(r"^```(sh|python)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for code in block.splitlines() if kind == "sh" else [block]:
            command: Any = code if kind == "sh" else [sys.executable, "-c", code]
            done = subprocess.run(
                command, shell=kind == "sh", cwd=folder, env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, (code, done.stderr)
            said.append(done.stdout)
    assert len(said) >= 4
    return "".join(said)


@pytest.mark.timeout(240)
def test_the_quick_start_runs(tmp_path: Path) -> None:
    said = _run_page("quickstart.md", tmp_path)
    assert "alderbayledger.example" in said and "Ferry" in said
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert (tmp_path / "corpus.jsonl").read_text().count("\n") > 5


@pytest.mark.timeout(240)
def test_the_guide_to_files_runs(tmp_path: Path) -> None:
    assert "ferry-timetable.txt" in _run_page("files.md", tmp_path)


@pytest.mark.timeout(280)
def test_the_guide_to_wordpress_runs_on_a_real_one(wordpress: Any, tmp_path: Path) -> None:
    said = _run_page("wordpress.md", tmp_path, **{"https://example.com": wordpress.url})
    assert "363" in said and "complete" in said and "recipe" in said


def test_the_reference_of_the_command_line_is_current() -> None:
    spec = importlib.util.spec_from_file_location("reference", DOCS / "reference.py")
    assert spec is not None and spec.loader is not None
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    assert (DOCS / "cli.md").read_text(encoding="utf-8") == reference.command_line(), "run: make docs"


@pytest.mark.timeout(240)
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", str(DOCS), str(tmp_path / "site")],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    pages = [page.read_text() for page in (tmp_path / "site").rglob("*.html")]
    assert len(pages) > 12
    # What a page itself asks for is all its own.
    for page in pages:
        assert not re.search(r"<(script|link|img)[^>]+(src|href)=\"https?://(?!localhost)", page)
