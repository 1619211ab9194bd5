"""Pages in JSON lines to text in JSON lines by datatrove's trafilatura; run by Python of an environment with datatrove.

python benchmarks/peer_datatrove.py FOLDER_IN FOLDER_OUT

Its process that extracts is started anew after a page that took too long, and by default a second is too long: on a slow
machine the imports alone take that, and every page starts another one.
"""

import sys

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter


def main() -> None:
    source, target = sys.argv[1:]
    steps = [JsonlReader(source), Trafilatura(timeout=30), JsonlWriter(f"{target}/out")]
    LocalPipelineExecutor(pipeline=steps, logging_dir=f"{target}/log").run()


if __name__ == "__main__":
    main()
