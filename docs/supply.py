"""What presslake is made of: ``licences`` as a page of the docs, ``sbom`` as CycloneDX JSON, both of what is installed.

python docs/supply.py licences > docs/licences.md
python docs/supply.py sbom > presslake.cdx.json
"""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = Path(__file__).resolve().parents[1] / ".constraints" / "constraints.txt"
_PAGE = """# Licences

What an installation of presslake brings with it, and under which licence each is, as the packages themselves say it.
Written by `make docs`; `make sbom` writes the same list with versions and hashes as CycloneDX JSON.

| package | licence |
|---|---|
"""


def parts(root: str = "presslake") -> list[Distribution]:
    """Return every distribution that ``root`` needs to run, without itself, by name."""
    found: dict[str, Distribution] = {}
    pending = [Requirement(root)]
    while pending:
        wanted = pending.pop()
        key = canonicalize_name(wanted.name)
        try:
            found.setdefault(key, distribution(wanted.name))
        except PackageNotFoundError:  # for another platform
            continue
        for line in found[key].requires or ():
            needed = Requirement(line)
            extras = wanted.extras or {""}
            is_meant = needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras)
            is_new = canonicalize_name(needed.name) not in found or needed.extras
            if is_meant and is_new and needed.name != wanted.name:
                pending.append(needed)
    found.pop(canonicalize_name(root), None)
    return [found[key] for key in sorted(found)]


def licence(part: Distribution) -> str:
    """Return the licence as a distribution states it: its expression, else its classifiers, else the first line."""
    about = part.metadata
    if about.get("License-Expression"):
        return str(about.get("License-Expression"))
    named = [c.rpartition(" :: ")[2] for c in about.get_all("Classifier") or () if c.startswith("License :: ")]
    said = str(about.get("License") or "").strip().splitlines()
    return "; ".join(n for n in named if n != "OSI Approved") or (said[0] if said else "not stated")


def licences() -> str:
    """Return the page of licences."""
    rows = (f"| {canonicalize_name(part.name)} | {licence(part).replace('|', '/')} |\n" for part in parts())
    return _PAGE + "".join(rows)


def hashes() -> dict[str, list[str]]:
    """Return the SHA-256 hashes that the lock allows for each package."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in LOCK.read_text().splitlines():
        match = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==", line)
        name = canonicalize_name(match[1]) if match else name
        found.setdefault(name, []).extend(re.findall(r"sha256:([0-9a-f]{64})", line))
    return found


def sbom() -> dict[str, Any]:
    """Return a CycloneDX bill of materials; hashes are those the lock allows, one for each file of a release."""
    allowed, root = hashes(), distribution("presslake")
    components = []
    for part in parts():
        name = canonicalize_name(part.name)
        address = f"pkg:pypi/{name}@{part.version}"
        components.append(
            {
                "type": "library", "bom-ref": address, "name": name, "version": part.version, "purl": address,
                "licenses": [{"license": {"name": licence(part)}}],
                "properties": [{"name": "presslake:locked-sha256", "value": each} for each in allowed.get(name, ())],
            }
        )  # fmt: skip
    about = {"type": "application", "bom-ref": "presslake", "name": "presslake", "version": root.version}
    return {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "metadata": {"component": about},
        "components": components,
        "dependencies": [{"ref": "presslake", "dependsOn": [part["bom-ref"] for part in components]}],
    }  # fmt: skip


if __name__ == "__main__":
    print(licences() if sys.argv[1] == "licences" else json.dumps(sbom(), indent=2), end="")
