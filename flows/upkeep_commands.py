"""The commands that keep a lake: ``maintain``, ``check`` and ``purge``."""

from __future__ import annotations

import argparse
import json
import sys

from flows.console import lake_of, print_table, settings_of
from schemas.errors import UsageError


def maintain_command(given: argparse.Namespace) -> int:
    """Merge, shorten, publish and vacuum; print what became of each table."""
    from dataclasses import asdict

    from flows.upkeep import maintain

    lake_of(given)  # upkeep makes no lake where none is
    both = not (given.compact or given.vacuum)
    done = maintain(
        settings_of(given), compacting=both or given.compact, vacuuming=both or given.vacuum, keep_days=given.keep_days
    )
    if given.json:
        print(json.dumps([asdict(upkeep) for upkeep in done]))
    else:
        columns = ("table", "files before", "files after", "bytes before", "bytes after", "removed")
        print_table(columns, [list(asdict(upkeep).values()) for upkeep in done])
    return 0


def check_command(given: argparse.Namespace) -> int:
    """Prove the lake; exit code 1 if a check fails."""
    from dataclasses import asdict

    from schemas.errors import CheckFailed
    from warehouse.integrity import check

    findings = []
    for finding in check(lake_of(given), deep=not given.quick):
        findings.append(finding)
        if not given.json:
            print(f"{'FAILED' if finding.broken else 'ok':6}  {finding.check}: {finding.promise}")
            for example in finding.examples:
                print(f"        {example}")
    broken = [finding for finding in findings if finding.broken]
    if given.json:
        print(json.dumps({"ok": not broken, "checks": [asdict(finding) for finding in findings]}, ensure_ascii=False))
    if broken:
        raise CheckFailed(
            f"{len(broken)} of {len(findings)} checks failed: {', '.join(finding.check for finding in broken)}.",
            remedy="docs/lake.md says what to do about each.",
        )
    return 0


def purge_command(given: argparse.Namespace) -> int:
    """Take something down after asking, and print the proof."""
    from warehouse.purge import Target, count_rows, find, purge
    from warehouse.underway import mend_ledger

    lake = lake_of(given)
    # What is noted of killed runs must be in a table to be found there.
    mend_ledger(lake)
    keys = find(lake, Target(given.site, given.url, given.author))
    print_table(("table", "rows"), [[name, count] for name, count in count_rows(lake, keys).items() if count])
    if not given.yes:
        if not sys.stdin.isatty():
            raise UsageError("Nothing was purged.", remedy="Give --yes to remove these rows for good.")
        if input("Remove these rows for good, history included? [y/N] ").strip().lower() not in ("y", "yes"):
            raise UsageError("Nothing was purged.")
    proof = purge(lake, keys)
    removed = sum(proof.removed.values())
    print(f"removed {removed} rows and deleted {proof.deleted_files} files that held them or their traces")
    print(f"searched the {proof.searched_files} data files left: {len(proof.left) or 'nothing'} found")
    for left in proof.left:
        print(f"presslake: {left}", file=sys.stderr)
    print("Exports and copies made before still hold them; ingesting the source again brings them back.")
    return 3 if proof.left else 0
