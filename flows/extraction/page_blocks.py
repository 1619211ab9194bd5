"""A whole page read into blocks, each with the element it stands in, before anything is chosen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import SupportsIndex

from flows.extraction.fragments import walker_for
from flows.extraction.walker import Block, Element, Walker


class Ledger(list[Block]):
    """The blocks of a page.

    Attributes:
        homes: The element each block stands in; for a paragraph that is what holds it, not the `p`.
        ends: How many links, images and headings stood recorded when each block was added.
    """

    def __init__(self, walker: Walker) -> None:
        super().__init__()
        self.walker = walker
        self.homes: list[Element] = []
        self.ends: list[tuple[int, int, int]] = []

    def append(self, block: Block) -> None:
        """Add a block and note where it stands."""
        super().append(block)
        walker = self.walker
        self.homes.append(walker.path[-1] if walker.path else None)
        self.ends.append((len(walker.links), len(walker.images), len(walker.headings)))

    def extend(self, blocks: Iterable[Block]) -> None:
        """Add blocks one by one."""
        for block in blocks:
            self.append(block)

    def __iadd__(self, blocks: Iterable[Block]) -> Ledger:  # type: ignore[override,misc]
        """Add blocks one by one."""
        self.extend(blocks)
        return self

    def pop(self, index: SupportsIndex = -1) -> Block:
        """Remove a block with its notes."""
        self.homes.pop(index)
        self.ends.pop(index)
        return super().pop(index)

    def records(self, index: int) -> tuple[list[dict[str, object]], ...]:
        """The links, images and headings of one block."""
        walker = self.walker
        links, images, headings = self.ends[index - 1] if index else (0, 0, 0)
        end = self.ends[index]
        return walker.links[links : end[0]], walker.images[images : end[1]], walker.headings[headings : end[2]]


def read_page(root: Element, base_url: str | None) -> Ledger:
    """Read a parsed page into blocks; the tree is not changed."""
    walker = walker_for(base_url)
    ledger = Ledger(walker)
    walker.blocks = ledger
    walker.flow(root)
    walker.flush()
    return ledger
