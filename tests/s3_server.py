"""A server of the S3 protocol on a loopback port, with the conditional writes that Delta's log needs.

    python tests/s3_server.py        prints its address, then serves until it is ended

Conditional writes must be all or nothing. The server looks for the key and stores it in two steps, so those requests
are let in one at a time; all others run side by side.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

BUCKET = "articles"
# A test process talks to the one server that it started, whatever the developer's own settings are.
_SETTINGS = {
    "AWS_ACCESS_KEY_ID": "writer", "AWS_SECRET_ACCESS_KEY": "not-a-secret", "AWS_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}  # fmt: skip


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """Run a server with one bucket; yield the environment by which clients find it."""
    process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        endpoint = process.stdout.readline().strip()
        request = urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT")
        request.add_header("Authorization", "AWS4-HMAC-SHA256 Credential=writer/20240101/us-east-1/s3/aws4_request")
        urllib.request.urlopen(request).close()
        yield {"AWS_ENDPOINT_URL": endpoint, **_SETTINGS}
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def main() -> None:
    os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    inner = DomainDispatcherApplication(create_backend_app)
    lock = threading.Lock()

    def one_by_one(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if "HTTP_IF_NONE_MATCH" not in environ:
            return inner(environ, start_response)
        with lock:
            return inner(environ, start_response)

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, type: str, message: str, *args: Any) -> None:
            pass

    server = make_server("127.0.0.1", 0, one_by_one, threaded=True, request_handler=Quiet)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
