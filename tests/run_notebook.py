"""Run a notebook in a kernel of this very interpreter: ``python tests/run_notebook.py NOTEBOOK RESULT``.

A process of its own, as what Jupyter's libraries warn about, and the loops and sockets they leave, is not for the
tests' process.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient


class OwnKernel(KernelSpecManager):
    """Knows one kernel, whatever it is called: this interpreter. None needs to be installed anywhere."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name="Python", language="python")


def run(notebook: Path, result: Path) -> None:
    """Execute every cell in the working directory; an error ends the process."""
    content = nbformat.read(notebook, as_version=4)
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=OwnKernel())
    client = NotebookClient(content, km=manager, timeout=120, resources={"metadata": {"path": str(Path.cwd())}})
    try:
        client.execute()
    finally:
        nbformat.write(content, result)


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]))
