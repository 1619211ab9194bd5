"""Pages in JSON lines to text in JSON lines by datatrove's trafilatura; run by Python of an environment with datatrove.

python benchmarks/peer_datatrove.py FOLDER_IN FOLDER_OUT
"""

import sys

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter


def main() -> None:
    source, target = sys.argv[1:]
    steps = [JsonlReader(source), Trafilatura(), JsonlWriter(f"{target}/out")]
    LocalPipelineExecutor(pipeline=steps, logging_dir=f"{target}/log").run()


if __name__ == "__main__":
    main()
