"""Several ways to do one thing, in turn, so that a slow machine slows them all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def race(
    contestants: Mapping[str, Callable[[], float | None]],
    rounds: int,
    count: int,
    what: str,
    goals: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Let each do its work in every round, print how they compare with the first, and return their median seconds.

    ``count`` pieces of ``what`` are done each time. A contestant may return the seconds that it counted itself. ``goals``
    says how many times as fast as a contestant the first one means to be.
    """
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, action in contestants.items():
            began = time.perf_counter()
            counted = action()
            taken[name].append(time.perf_counter() - began if counted is None else counted)
    ours = next(iter(taken.values()))
    medians = {name: statistics.median(seconds) for name, seconds in taken.items()}
    print(f"| what | seconds (median) | {what} a second | presslake is faster by | of the rounds | goal |")
    print("|---|---|---|---|---|---|")
    for name, seconds in taken.items():
        ratios = sorted(theirs / mine for theirs, mine in zip(seconds, ours, strict=True))
        middle = medians[name]
        print(f"| {name} | {middle:.2f} | {count / middle:.0f} | {statistics.median(ratios):.2f}× |"
              f" {ratios[0]:.2f}–{ratios[-1]:.2f} | {(goals or {}).get(name, '')} |")  # fmt: skip
    return medians
