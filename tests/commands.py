"""The program run as a person runs it, for tests that must bear what it meets."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What a run may take, far below what any of the traps unpacks to.
_MOST_MEMORY = 4 << 30


def confined(*arguments: str, work: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder of its own, which is its home too, with bounds of memory and of time for a document."""
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(work), "PRESSLAKE_DOCUMENT_TIMEOUT_S": "20",
        "HOME": str(work),
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", *arguments], capture_output=True, text=True, env=environment, cwd=work,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (_MOST_MEMORY, _MOST_MEMORY)),
    )  # fmt: skip
