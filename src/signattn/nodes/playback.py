"""When each picture of a recording is due, and what a camera of another rate would have given."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from signattn.preprocess import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from signattn.bag import CameraImage


class Playhead:
    """The moment of a recording that is played, on a steady clock; it can go faster, or stand."""

    def __init__(self, stamp_ns: int, now_ns: int) -> None:
        """Stand at a moment.

        Args:
            stamp_ns: ns, the moment.
            now_ns: Steady ns.
        """
        self._stamp_ns, self._since_ns = stamp_ns, now_ns
        self._rate = 0.0

    def steer(self, rate: float, now_ns: int) -> None:
        """Go on at a rate from where it is.

        Args:
            rate: 1 as time passes, 2 twice as fast, 0 stands.
            now_ns: Steady ns.
        """
        if rate != self._rate:
            self.seek(self.position_ns(now_ns), now_ns)
            self._rate = rate

    def seek(self, stamp_ns: int, now_ns: int) -> None:
        """Go to another moment, at the same rate.

        Args:
            stamp_ns: ns, the moment.
            now_ns: Steady ns.
        """
        self._stamp_ns, self._since_ns = stamp_ns, now_ns

    def position_ns(self, now_ns: int) -> int:
        """The moment that is played, ns, at a steady time, ns."""
        return self._stamp_ns + round((now_ns - self._since_ns) * self._rate)

    def wait_s(self, stamp_ns: int, now_ns: int) -> float:
        """How long it is until a moment is due.

        Args:
            stamp_ns: ns, the moment.
            now_ns: Steady ns.

        Returns:
            s; negative if it is past, infinite while nothing moves.
        """
        if not self._rate:
            return math.inf
        return (stamp_ns - self.position_ns(now_ns)) / NS_PER_S / self._rate


def at_rate(
    images: Iterable[CameraImage], camera_hz: float, max_gap_s: float
) -> Iterator[CameraImage]:
    """What a camera of another rate would have given: at each of its ticks the latest picture.

    The stamps are those of the ticks, so that a faster camera repeats pictures and a slower one
    leaves some out, while the drive takes as long as it took.

    Args:
        images: Pictures as they were recorded.
        camera_hz: Hz, ticks a second.
        max_gap_s: s; behind a longer gap, or a stamp that goes back, the ticks begin anew.

    Yields:
        The pictures.
    """
    begin_ns, tick, last = 0, 0, None
    for image in images:
        if last is None or not 0 <= image.stamp_ns - last.stamp_ns <= max_gap_s * NS_PER_S:
            if last is not None and begin_ns + _ns(tick, camera_hz) == last.stamp_ns:
                yield last
            begin_ns, tick = image.stamp_ns, 0
        while last is not None and (due_ns := begin_ns + _ns(tick, camera_hz)) < image.stamp_ns:
            yield dataclasses.replace(last, stamp_ns=due_ns)
            tick += 1
        last = image
    if last is not None and begin_ns + _ns(tick, camera_hz) == last.stamp_ns:
        yield last


def _ns(ticks: int, rate_hz: float) -> int:
    return round(ticks * NS_PER_S / rate_hz)
