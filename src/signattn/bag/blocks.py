"""Reads files that hold messages in blocks, a block at a time, in the order of their time."""

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import BinaryIO, NamedTuple

from signattn.bag.raw import MAX_BYTES, Message, Report, reason


@dataclass(frozen=True)
class Block:
    """A part of a file that is read at once.

    Attributes:
        offset: Bytes from the file's start to the block's.
        start_ns: ns, of its earliest message.
        counts: Messages by id of their connection; None where that isn't known.
        reported: Whether damage in it was reported already.
        run: Bytes of a block that is no chunk but messages one behind the other; else 0.
    """

    offset: int
    start_ns: int
    counts: Mapping[int, int] | None
    reported: bool = False
    run: int = 0


Content = Callable[[BinaryIO, Block], bytes]
"""Reads the records in a block."""
Found = tuple[int, int, int, int]
"""Id of a message's connection, ns when it was received, where its data starts and stops."""
Walk = Callable[[bytes, set[int]], Iterator[Found]]
"""Finds the messages of some connections in the records of a block."""


@dataclass(frozen=True)
class BlockFile:
    """How to read the blocks of one file.

    Attributes:
        path: The file.
        name: What the file is called in reports; empty for the only one of a bag.
        blocks: Its blocks.
        content: Reads one.
        walk: Takes it apart.
        report: Where damage goes.
    """

    path: Path
    name: str
    blocks: Sequence[Block]
    content: Content
    walk: Walk
    report: Report

    def messages(self, ids: set[int]) -> Iterator[Message]:
        """Messages of some connections, in the order in which they were received.

        Blocks that can't be read are reported and left out. Blocks that overlap in time are held
        together, as long as that doesn't take too much memory.

        Args:
            ids: Their connections.

        Yields:
            The messages.
        """
        wanted = [b for b in self.blocks if b.counts is None or not ids.isdisjoint(b.counts)]
        held: list[tuple[int, int, _Held]] = []
        size, number = 0, count()
        with self.path.open('rb') as file:
            for block in sorted(wanted, key=lambda block: block.start_ns):
                while held and (held[0][0] <= block.start_ns or size > MAX_BYTES // 2):
                    message = heapq.heappop(held)[2].message()
                    size -= len(message[2])
                    yield message
                for found in self._block(file, block, ids):
                    size += found.stop - found.start
                    heapq.heappush(held, (found.received_ns, next(number), found))
            while held:
                yield heapq.heappop(held)[2].message()

    def _block(self, file: BinaryIO, block: Block, ids: set[int]) -> Iterator['_Held']:
        """Messages in a block, as far as it can be read."""
        count = '' if block.counts is None else f' of {sum(block.counts.values())} messages'
        whole = f'must begin a whole {"run" if block.run else "chunk"}{count}'
        try:
            content = self.content(file, block)
        except Exception as error:  # noqa: BLE001 (what damage raises can't be foreseen)
            self.report.lose(place(self.name, block.offset), f'{whole}, got {reason(error)}')
            return
        try:
            for found in self.walk(content, ids):
                yield _Held(content, *found)
        except Exception as error:  # noqa: BLE001 (as above)
            if not block.reported:
                what = f'{whole}, got {reason(error)} in its middle'
                self.report.lose(place(self.name, block.offset), what)


class _Held(NamedTuple):
    """A message that waits for its turn, not yet cut out of its block."""

    content: bytes
    connection: int
    received_ns: int
    start: int
    stop: int

    def message(self) -> Message:
        return self.connection, self.received_ns, self.content[self.start : self.stop]


def place(name: str, offset: int) -> str:
    """A place in a file, for reports."""
    return f'{name} byte {offset}'.strip()


def read_exactly(file: BinaryIO, size: int, end: int) -> bytes:
    """The next bytes of a file; a size that a damaged file claims is looked at before it is read.

    Args:
        file: Where it stands.
        size: Bytes.
        end: Bytes in the file.

    Returns:
        ``size`` bytes.

    Raises:
        ValueError: If there aren't as many.
    """
    left = end - file.tell()
    if size > min(left, MAX_BYTES):
        raise ValueError(f'{size} bytes, of which {max(left, 0)} are there')
    data = file.read(size)
    if len(data) != size:
        raise ValueError(f'{size} bytes, of which {len(data)} are there')
    return data
