"""What a run does to stay small: the collector passes over what was there before, the C library keeps one heap.

Each batch is taken up and extracted in threads of its own. For each of them glibc makes a heap of its own, and texts that
come from one and outlast it tear holes into it: after a hundred batches a third of the memory was such holes, and a tenth
of the time went into asking the system for pages (measured). One heap reuses them. Other C libraries are left as they are.
"""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

_M_ARENA_MAX = -8  # mallopt(3)


def settle_in() -> None:
    """Prepare for a long run: what is there already will stay."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
    # To look through it for garbage took a fortieth of a long run.
    gc.freeze()


def give_back() -> None:
    """Undo the collector's part and return free memory to the system, behind a run."""
    gc.unfreeze()
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
