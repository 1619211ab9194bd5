"""The reference of the command line, from its own parser.

python docs/reference.py        writes docs/cli.md
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from flows.cli import EXIT_CODES, parser  # noqa: E402


def command_line() -> str:
    """Return the page: every command with its sentence, its arguments and what they mean."""
    lines = ["# Command line", "", "`presslake COMMAND --help` says the same.", ""]
    for name, command in _commands(parser()):
        lines += [f"## {name}", "", str(command.description), ""]
        rows = [row for action in command._actions for row in _row(action)]
        lines += ["| argument | meaning |", "|---|---|", *rows, ""] if rows else []
    codes = [line.split(None, 1) for line in EXIT_CODES.splitlines()[1:]]
    lines += ["## Exit codes", "", "| code | meaning |", "|---|---|", *(f"| {code} | {what} |" for code, what in codes)]
    return "\n".join([*lines, ""])


def _commands(top: argparse.ArgumentParser, prefix: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                inner = list(_commands(command, f"{prefix}{name} "))
                yield from inner or [(f"presslake {prefix}{name}", command)]


def _row(action: argparse.Action) -> Iterator[str]:
    if isinstance(action, argparse._HelpAction):
        return
    value = action.metavar if action.nargs != 0 else None
    if value is None and action.choices:
        value = "\\|".join(map(str, action.choices))
    elif value is None and action.nargs != 0 and action.option_strings:
        value = action.dest.upper()
    names = [f"{name} {value}" if value else name for name in action.option_strings] or [str(value or action.dest)]
    yield f"| `{'`, `'.join(names)}` | {(action.help or '').replace('%%', '%')} |"


if __name__ == "__main__":
    (ROOT / "docs" / "cli.md").write_text(command_line(), encoding="utf-8")
