"""The one place for settings: each has a name, a default, a unit in its name and a sentence.

Order of precedence: command line, environment (``PRESSLAKE_…``), ``presslake.toml`` (table ``[settings]``), default.
Secrets come from the environment only and are never stored.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from schemas.errors import UsageError

CONFIG_FILE = "presslake.toml"
VERSION = "0.1.0"


_MAY_BE_ZERO = {"max_retries", "max_requests", "max_minutes"}


def _setting(default: Any, help_text: str) -> Any:
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True)
class Settings:
    """How presslake works; what it reads is given to each command."""

    lake: str = _setting("./lake", "Where the lake is: a folder or an object-store URL.")
    auth: str = _setting("", "Name of the login: `X` stands for PRESSLAKE_X_USER and PRESSLAKE_X_APP_PASSWORD.")
    user_agent: str = _setting(
        f"presslake/{VERSION}",
        "How we name ourselves to sites. Name a way to reach you.",
    )
    connect_timeout_s: float = _setting(10.0, "How long to wait for a connection.")
    read_timeout_s: float = _setting(60.0, "How long to wait for the next bytes of an answer.")
    requests_per_s: float = _setting(5.0, "Highest rate of requests to one host; loopback hosts are not limited.")
    connections_per_host: int = _setting(2, "Requests under way to one host at a time; loopback hosts are not limited.")
    max_crawl_delay_s: float = _setting(60.0, "Longest Crawl-delay of a robots.txt that is kept in full.")
    max_requests: int = _setting(
        200_000, "Requests that one run may make to a site before it stops as partial; 0: no limit."
    )
    max_minutes: float = _setting(
        0.0, "Minutes that one run may spend on a site before it stops as partial; 0: no limit."
    )
    max_retries: int = _setting(5, "Tries after a failed one before a request is given up.")
    max_retry_wait_s: float = _setting(
        120.0, "Longest wait a server may ask for; for longer ones the run stops as partial."
    )
    answer_timeout_s: float = _setting(300.0, "How long one answer may take from its first byte to its last.")
    max_answer_bytes: int = _setting(64 * 1024 * 1024, "Largest answer read; a larger one is an error.")
    per_page: int = _setting(100, "Records asked for at a time; WordPress allows at most 100.")
    workers: int = _setting(2, "Processes that extract text.")
    document_timeout_s: float = _setting(60.0, "Longest time that the extraction of one document may take.")
    max_file_bytes: int = _setting(256 * 1024 * 1024, "Largest local file read as one document.")
    batch_records: int = _setting(1000, "Records committed together at most.")
    batch_bytes: int = _setting(32 * 1024 * 1024, "Bytes committed together at most.")
    sweep_hours: float = _setting(
        24.0, "How often all ids of a site are compared even if nothing seems to have changed."
    )
    rescan_days: float = _setting(30.0, "How often a site is read in full even if nothing seems to have changed.")
    alert_url: str = _setting("", "Where `presslake up` sends alerts: a webhook that takes JSON.")
    stale_hours: float = _setting(26.0, "Hours without a complete run after which a site is told to be stale.")
    allow_private: bool = _setting(
        False, "Whether a site may lead to addresses of a private network; the address you give may always be there."
    )
    verify_tls: bool = _setting(True, "Whether certificates are checked.")

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User and application password from the environment, if both are set."""
        prefix = f"PRESSLAKE_{self.auth.upper()}_" if self.auth else "PRESSLAKE_"
        user, password = os.environ.get(f"{prefix}USER"), os.environ.get(f"{prefix}APP_PASSWORD")
        return (user, password) if user and password else None

    @classmethod
    def load(cls, *, folder: Path | None = None, **given: Any) -> Settings:
        """Return the settings in force; ``given`` (from the command line) wins where it is not None.

        Raises:
            UsageError: a value does not fit, a name in ``presslake.toml`` is unknown, or the file is not TOML.
        """
        values = _from_file((folder or Path.cwd()) / CONFIG_FILE)
        for setting in fields(cls):
            from_env = os.environ.get(f"PRESSLAKE_{setting.name.upper()}")
            if from_env is not None:
                values[setting.name] = from_env
        values.update({name: value for name, value in given.items() if value is not None})
        return cls(**{name: converted(name, value) for name, value in values.items()})


def _from_file(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"Cannot read {path}: {error}.", remedy="Mend the file.") from error
    strange = table.keys() - {"settings", "sources"}
    if strange:
        raise UsageError(
            f"Cannot use {path}: unknown table {', '.join(sorted(strange))}.", remedy="There are settings and sources."
        )
    settings = table.get("settings", {})
    unknown = settings.keys() - {setting.name for setting in fields(Settings)}
    if unknown:
        raise UsageError(f"Cannot use {path}: unknown setting {', '.join(sorted(unknown))}.", remedy="See the README.")
    return dict(settings)


def converted(name: str, value: Any) -> Any:
    """Return a setting's value in its type.

    Raises:
        UsageError: it does not fit.
    """
    kind: Any = {setting.name: type(setting.default) for setting in fields(Settings)}[name]
    try:
        if kind is bool and isinstance(value, str):
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[value.lower()]
        converted = kind(value)
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"Setting {name} cannot be {value!r}: it is a {kind.__name__}.",
            remedy=f"Mend PRESSLAKE_{name.upper()}.",
        ) from error
    if kind in (int, float) and (converted < 0 or (converted == 0 and name not in _MAY_BE_ZERO)):
        raise UsageError(f"Setting {name} cannot be {value!r}: it must be above zero.")
    return converted
