"""DuckDB 1.5.5 with its own Delta and HTTP readers, in a virtual environment of its own that is made once.

Our DuckDB is newer than the newest wheels of these extensions, which fit one version each.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from wordpress_site import cache_directory

VERSION = "1.5.5"
_PACKAGES = ("duckdb", "duckdb-extension-delta", "duckdb-extension-httpfs")
_RUN = """
import datetime, importlib, json, pathlib, sys
import duckdb
given = json.load(sys.stdin)
connection = duckdb.connect()
for name in given["extensions"]:
    folder = pathlib.Path(importlib.import_module(f"duckdb_extension_{name}").__file__).parent
    (path,) = folder.rglob("*.duckdb_extension")
    connection.execute(f"LOAD '{path}'")
connection.execute("SET TimeZone = 'UTC'")
rows = [connection.execute(sql).fetchall() for sql in given["statements"]][-1]
json.dump(rows, sys.stdout, default=str)
"""


def older_duckdb(*statements: str, extensions: tuple[str, ...]) -> list[list[Any]]:
    """Run statements there; return the rows of the last one."""
    given = json.dumps({"statements": statements, "extensions": extensions})
    # No proxy and no network but what the test itself opened.
    done = subprocess.run([_python(), "-c", _RUN], input=given, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    rows: list[list[Any]] = json.loads(done.stdout)
    return rows


def _python() -> Path:
    packages = [f"{name}=={VERSION}" for name in _PACKAGES]
    return environment(f"duckdb-{VERSION}", f"DUCKDB {VERSION}", *packages) / "bin" / "python"


def environment(name: str, what: str, *packages: str) -> Path:
    """Return the folder of a virtual environment with these packages, made once; skip the test where it cannot be."""
    home = cache_directory() / f"{name}-py{sys.version_info.major}{sys.version_info.minor}"
    if not home.is_dir():
        building = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=cache_directory()))
        uv = Path(sys.executable).with_name("uv")
        install = [uv, "pip", "install", "-q", "--system-certs", "--python", building / "bin" / "python"]
        try:
            subprocess.run([uv, "venv", "-q", "--allow-existing", "--python", sys.executable, building], check=True)
            subprocess.run([*install, *packages], check=True, timeout=200)
            os.rename(building, home)
        except (subprocess.SubprocessError, OSError) as reason:
            if not home.is_dir():
                pytest.skip(f"NO {what}: {reason}")
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return home
