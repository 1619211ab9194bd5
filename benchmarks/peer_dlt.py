"""A site's posts to Parquet by dlt's own REST source, which extracts nothing; run by Python of an environment with dlt.

    python benchmarks/peer_dlt.py URL FOLDER

Prints the seconds that the run itself took, without the imports. It asks for the same lists of a hundred posts.
"""

import sys
import time

import dlt
from dlt.sources.rest_api import rest_api_source


def main() -> None:
    url, folder = sys.argv[1:]
    source = rest_api_source(
        {
            "client": {
                "base_url": f"{url}/wp-json/wp/v2/",
                "paginator": {
                    "type": "page_number", "base_page": 1, "page_param": "page", "total_path": None,
                    "stop_after_empty_page": True,
                },
            },
            "resources": [{"name": "posts", "endpoint": {"path": "posts", "params": {"per_page": 100, "orderby": "id"}}}],
        }
    )  # fmt: skip
    pipeline = dlt.pipeline(
        "bench", destination=dlt.destinations.filesystem(bucket_url=f"file://{folder}/out"), dataset_name="posts",
        pipelines_dir=f"{folder}/state",
    )  # fmt: skip
    began = time.perf_counter()
    pipeline.run(source, loader_file_format="parquet")
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main()
