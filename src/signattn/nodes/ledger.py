"""What became of each image that was replayed: kept by the replay node, read by the scoring."""

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from signattn.share import write_whole

ANSWERS, ATTENTION = 'answers.csv', 'attention.npy'
ANSWERED, LOST, SKIPPED, UNREADABLE = 'answered', 'lost', 'skipped', 'unreadable'
COLUMNS = ('stamp_ns', 'status', 'due_ns', 'sent_ns', 'answered_ns', 'curvature')
_MAP = (10, 20)


@dataclass
class Entry:
    """One image of the source.

    Attributes:
        stamp_ns: ns, its stamp.
        status: ``answered``; ``lost``, sent in vain; ``skipped``, between two steps of the model,
            or another image was answered for its step; ``unreadable``, a damaged picture that
            nothing could answer.
        sent_ns: Steady ns, when it was first sent; None if it never was.
        answered_ns: Steady ns, when its curvature came; None if none did.
        curvature: 1/m, left positive; None without answer.
        attention: (10, 20) float32; None without answer.
        due_ns: Steady ns, when its stamp asked for it to be sent; None in lockstep.
        expected: Whether an answer was expected; of a faster camera the model takes some images.
    """

    stamp_ns: int
    status: str
    sent_ns: int | None = None
    answered_ns: int | None = None
    curvature: float | None = None
    attention: NDArray[np.float32] | None = None
    due_ns: int | None = None
    expected: bool = field(default=True, compare=False)

    @property
    def complete(self) -> bool:
        """Whether curvature and attention are both there."""
        return self.curvature is not None and self.attention is not None


class Ledger:
    """The entries in the order of the source."""

    def __init__(self) -> None:
        """Begin empty."""
        self.entries: list[Entry] = []
        self._sent: dict[int, Entry] = {}

    def skip(self, stamp_ns: int) -> None:
        """Note an image that isn't sent, because it lies between two steps of the model."""
        self.entries.append(Entry(stamp_ns, SKIPPED))

    def send(
        self, stamp_ns: int, now_ns: int, *, expected: bool = True, due_ns: int | None = None
    ) -> Entry:
        """Note an image that is sent now.

        Args:
            stamp_ns: ns, its stamp.
            now_ns: Steady ns.
            expected: Whether an answer is expected.
            due_ns: Steady ns, when it ought to have been sent.

        Returns:
            Its entry, open until the answer comes.
        """
        status = LOST if expected else SKIPPED
        entry = Entry(stamp_ns, status, now_ns, due_ns=due_ns, expected=expected)
        self.entries.append(entry)
        self._sent[stamp_ns] = entry
        return entry

    def answer(self, stamp_ns: int, now_ns: int, curvature: float) -> None:
        """Note a curvature; the first one of a stamp counts, of unknown stamps none does."""
        entry = self._sent.get(stamp_ns)
        if entry is not None and entry.curvature is None:
            entry.status, entry.answered_ns, entry.curvature = ANSWERED, now_ns, curvature

    def attend(self, stamp_ns: int, attention: NDArray[np.float32]) -> None:
        """Note an attention map."""
        entry = self._sent.get(stamp_ns)
        if entry is not None:
            entry.attention = attention

    def settle(self, step_ns: float) -> None:
        """Count an image as skipped, not lost, if another was answered for its step.

        While the model is busy the image nearest to a tick may pass; then it takes the next one.

        Args:
            step_ns: ns, length of a step; what is taken instead comes less than one later.
        """
        waiting: Entry | None = None
        for entry in self.entries:
            if entry.status == LOST:
                waiting = entry
            elif entry.status == ANSWERED and waiting is not None:
                if not entry.expected and 0 < entry.stamp_ns - waiting.stamp_ns < step_ns:
                    waiting.status = SKIPPED
                waiting = None

    def write(self, folder: Path) -> None:
        """Write answers.csv and, row by row beside it, attention.npy (N, 10, 20) float32.

        Args:
            folder: Where; each file appears whole.

        Raises:
            OSError: If it can't be written.
        """
        maps = np.full((len(self.entries), *_MAP), np.nan, np.float32)
        for row, entry in zip(maps, self.entries, strict=True):
            if entry.attention is not None:
                row[:] = entry.attention
        buffer = io.BytesIO()
        np.save(buffer, maps)
        write_whole(folder / ATTENTION, buffer.getvalue())
        table = io.StringIO()
        writer = csv.writer(table, lineterminator='\n')
        writer.writerow(COLUMNS)
        for entry in self.entries:
            values = (getattr(entry, column) for column in COLUMNS)
            writer.writerow('' if value is None else value for value in values)
        write_whole(folder / ANSWERS, table.getvalue().encode())


def read(folder: Path) -> list[Entry]:
    """Read answers.csv back, without the attention.

    Args:
        folder: Where it is.

    Returns:
        The entries in the order of the source.

    Raises:
        OSError: If it can't be read.
    """
    with (folder / ANSWERS).open(encoding='utf-8', newline='') as file:
        return [
            Entry(
                int(row['stamp_ns']),
                row['status'],
                sent_ns=int(row['sent_ns']) if row['sent_ns'] else None,
                answered_ns=int(row['answered_ns']) if row['answered_ns'] else None,
                curvature=float(row['curvature']) if row['curvature'] else None,
                due_ns=int(row['due_ns']) if row['due_ns'] else None,
            )
            for row in csv.DictReader(file)
        ]
