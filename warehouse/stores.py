"""Object stores: reached through the table engine's own client, so that one set of credentials serves everything.

Credentials, region and endpoint come from the environment (``AWS_…``, ``GOOGLE_…``, ``AZURE_…``) or from what the
machine is given by its cloud; presslake neither asks for them nor keeps them.
"""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
from deltalake.fs import DeltaStorageHandler

# By default a wrong endpoint is tried for three minutes. An answer to one request is 8 MB at most.
OPTIONS = {"max_retries": "3", "retry_timeout": "15s", "connect_timeout": "5s", "timeout": "20s"}

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_HOST = re.compile(r"https?://[^/\s]+")
_CAUSES = (
    ("NoSuchBucket|NoSuchContainer|bucket does not exist", "there is no such bucket",
     "Make the bucket, or mend the lake's address."),
    ("latest/api/token|latest/meta-data|169\\.254\\.1|metadata\\.google|no providers in chain|CredentialsNotLoaded",
     "no credentials were found",
     "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or what the store takes instead."),
    ("InvalidAccessKeyId|SignatureDoesNotMatch|AccessDenied|InvalidToken|ExpiredToken|40[13] (Forbidden|Unauthorized)",
     "the store refuses these credentials", "Check them, and their rights to list, read, write and delete there."),
    ("PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint|301 Moved",
     "the bucket is in another region", "Set AWS_REGION to the bucket's."),
    ("scheme is not allowed|BadScheme", "the endpoint is not https", "Set AWS_ALLOW_HTTP=true to use it all the same."),
    ("client error \\(Connect\\)|dns error|[Cc]onnection refused|timed out|error sending request",
     "the store cannot be reached", "Check AWS_ENDPOINT_URL and the network."),
)  # fmt: skip


class StoreHandler(DeltaStorageHandler):
    """The table engine's client as an Arrow file system."""

    def create_dir(self, path: str, recursive: bool = True) -> None:
        """Do nothing: a store has no folders."""

    def open_output_stream(self, path: str, metadata: dict[str, str] | None = None) -> pa.PythonFile:
        """Open a file for writing."""
        return pa.PythonFile(_Sink(self._handler.open_output_stream(path, metadata)), mode="w")


class _Sink:
    """Hands on bytes: the client refuses Arrow's buffers."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def write(self, data: Any) -> int:
        return int(self._inner.write(bytes(data)) or 0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def cause(error: BaseException) -> tuple[str, str]:
    """Return why storage failed, without the chain of errors around it, and the remedy if it is plain."""
    text = _COLOUR.sub("", str(error))
    for pattern, what, remedy in _CAUSES:
        if re.search(pattern, text):
            host = _HOST.search(text)
            asked = f" ({host[0]})" if host and "reached" in what else ""
            return what + asked, remedy
    lines = [line.strip(" ↳") for line in text.splitlines() if line.strip(" ↳")] or [type(error).__name__]
    # A store's error begins with a line that says no more than that it is one.
    line = lines[0] if not lines[0].startswith("Generic ") else ": ".join(lines[:4])
    return (line if len(line) <= 300 else line[:300] + " …").rstrip("."), ""
