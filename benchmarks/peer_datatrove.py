"""Pages in JSON lines to text in JSON lines by datatrove's trafilatura; run by Python of an environment with datatrove.

python benchmarks/peer_datatrove.py FOLDER_IN FOLDER_OUT PROCESSES

As many files are read side by side as there are processes.
"""

import sys

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter


def main() -> None:
    source, target, processes = sys.argv[1:]
    steps = [JsonlReader(source), Trafilatura(), JsonlWriter(f"{target}/out")]
    count = int(processes)
    LocalPipelineExecutor(pipeline=steps, tasks=count, workers=count, logging_dir=f"{target}/log").run()


if __name__ == "__main__":
    main()
