"""Record what presslake makes of the cases: `python tests/record_cases.py [NAME...]`, all of them by default.

Every `expected.*` is written anew and a person reviews the difference (`git diff tests/cases`): recording judges nothing.
Words lost or leaked by the second reading are printed, and `floor.json` rises where the measure became better.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from recorded import FLOOR, Case, Result, cases


def main(names: list[str]) -> int:
    """Record the cases named, or all."""
    known = cases()
    unknown = set(names) - {case.name for case in known}
    if unknown:
        print(f"no such case: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    results = {case.name: case.extract() for case in known}
    for case in known:
        if not names or case.name in names:
            _record(case, results[case.name])
    measured = measure(known, results)
    floor = json.loads(FLOOR.read_text()) if FLOOR.exists() else {}
    FLOOR.write_text(json.dumps(raised(floor, measured), indent=1) + "\n")
    print(f"measured {measured}\nfloor    {raised(floor, measured)}")
    return 0


def measure(known: list[Case], results: dict[str, Result]) -> dict[str, int]:
    """Count cases, words, and words lost and leaked over all of them."""
    figures = {"cases": len(known), "words": 0, "lost_in_markdown": 0}
    for case in known:
        found = case.fidelity(results[case.name])
        figures["words"] += found.words
        figures["lost_in_markdown"] += found.lost_in_markdown.total()
        kind = "pages" if case.meta["kind"] == "page" else "fragments_and_texts"
        for what, count in (("lost", found.lost.total()), ("leaked", found.leaked.total())):
            figures[f"{what}_in_{kind}"] = figures.get(f"{what}_in_{kind}", 0) + count
    return figures


def raised(floor: dict[str, Any], measured: dict[str, int]) -> dict[str, int]:
    """The better of two measures, figure by figure: more cases and words, fewer lost and leaked."""
    better = {name: max if name in ("cases", "words") else min for name in measured}
    return {name: better[name](value, floor.get(name, value)) for name, value in measured.items()}


def _record(case: Case, result: Result) -> None:
    changed = []
    for name, content in result.files().items():
        path = case.folder / name
        before = path.read_bytes().decode() if path.exists() else None
        if before != content:
            path.write_bytes(content.encode())
            changed.append(name if before is not None else f"{name} (new)")
    fidelity = case.fidelity(result)
    notes = [f"{what}: {' '.join(sorted(found.elements()))}" for what, found in (
        ("lost", fidelity.lost), ("leaked", fidelity.leaked), ("lost in Markdown", fidelity.lost_in_markdown),
    ) if found]  # fmt: skip
    missing = [text for text in case.meta.get("must_appear", []) if text not in result.text]
    forbidden = [text for text in case.meta.get("must_not_appear", []) if text in result.text + result.markdown]
    notes += [f"missing {text!r}" for text in missing] + [f"forbidden {text!r}" for text in forbidden]
    if changed or notes:
        print(f"{case.name}: {', '.join(changed) or 'unchanged'}{''.join(f'{chr(10)}    {note}' for note in notes)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
