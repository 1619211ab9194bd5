"""The README tells the truth: its commands run, its generated parts are what the code says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from flows.cli import EXIT_CODES, parser
from flows.settings import Settings
from schemas.dictionary import all_markdown
from warehouse.catalog import macros, views

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def settings_table() -> str:
    """Return the table of settings as the README shows it; write it there with ``python tests/test_readme.py``."""
    rows = [f"| `{s.name}` | `{s.default}` | {s.metadata['help']} |" for s in fields(Settings)]
    return "\n".join(["| name | default | meaning |", "|---|---|---|", *rows])


def _between(text: str) -> str:
    return re.search(r"<!-- settings -->\n(.*?)\n?<!-- /settings -->", text, re.DOTALL)[1]  # type: ignore[index]


def test_settings_are_documented_as_they_are() -> None:
    assert _between(README) == settings_table(), "run: python tests/test_readme.py"


def test_the_data_dictionary_is_current() -> None:
    assert (ROOT / "docs" / "dictionary.md").read_text() == all_markdown(), "run: make docs"


def test_every_view_macro_and_exit_code_is_named() -> None:
    for view in views():
        assert f"`{view.name}`" in README, view.name
    for macro in macros():
        assert f"`{macro.name}(" in README, macro.name
    for line in EXIT_CODES.splitlines()[1:]:
        assert f"| {line.split()[0]} | " in README


def test_every_command_has_help() -> None:
    for action in parser()._subparsers._group_actions:  # type: ignore[union-attr]
        for name, command in action.choices.items():  # type: ignore[union-attr]
            assert command.description, name


@pytest.mark.timeout(240)
def test_the_commands_run(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    commands = [line for block in _blocks("sh") for line in block.splitlines() if line.startswith("presslake ")]
    assert len(commands) >= 4
    for command in commands:
        done = subprocess.run(command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stderr)
        assert done.stdout.strip() or done.stderr.strip(), command
    for block in _blocks("python"):
        done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "title" in done.stdout


@pytest.mark.timeout(240)
def test_the_demonstration_ends_with_a_table_and_three_commands(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    executable = Path(sys.executable).parent / "presslake"
    done = subprocess.run(
        [sys.executable, "examples/demo.py", str(executable), "demo-lake"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "longest_read" in done.stdout
    after = done.stdout.split("Next:")[1].strip().splitlines()
    assert len(after) == 3
    assert all("presslake" in line for line in after)


if __name__ == "__main__":
    shown = _between(README)
    (ROOT / "README.md").write_text(
        README.replace(
            f"<!-- settings -->\n{shown}",
            f"<!-- settings -->\n{settings_table()}\n" if not shown else f"<!-- settings -->\n{settings_table()}",
        )
    )
