"""What a recording says beside its pictures: how the car turned, and how fast it went."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

import numpy as np

from signattn.bag import BagError, in_order
from signattn.labels import labels_at
from signattn.preprocess import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from signattn.bag import Recording, Series
    from signattn.vehicle import Vehicle

STALE_NS = NS_PER_S
"""ns; of the speeds before the first picture those that are no older are played."""


class Track:
    """Driven curvature at the pictures, and measured speeds at their own times."""

    def __init__(
        self,
        recording: Recording,
        stamps_ns: Iterable[int],
        vehicle: Vehicle,
        assume_speed: float | None,
        warn: Callable[[str], None],
    ) -> None:
        """Read both.

        Args:
            recording: Where they are.
            stamps_ns: ns, of the pictures.
            vehicle: For the curvature.
            assume_speed: m/s, for the curvature where the recording has no speed.
            warn: Told why there is no curvature though there is steering.
        """
        self._stamps_ns, self._values = _usable(recording.signals().speed)
        stamps = np.array(list(stamps_ns), np.int64)
        try:
            curvature = labels_at(recording, stamps, vehicle, assume_speed).curvature
        except BagError as error:
            warn(f'what was driven is not played: {error}')
            curvature = np.full(len(stamps), np.nan)
        known = np.isfinite(curvature)
        self._driven = dict(zip(stamps[known].tolist(), curvature[known].tolist(), strict=True))

    def driven(self, stamp_ns: int) -> float | None:
        """Curvature at a picture, 1/m, left positive; None if it isn't known.

        Args:
            stamp_ns: ns, its stamp.
        """
        return self._driven.get(stamp_ns)

    def speeds(self, before_ns: int | None, until_ns: int) -> list[tuple[int, float]]:
        """Speeds between two pictures.

        Args:
            before_ns: ns, stamp of the picture before; None for the first one.
            until_ns: ns, stamp of the picture.

        Returns:
            Stamp in ns and speed in m/s of each, up to the picture's own stamp.
        """
        after_ns = until_ns - STALE_NS if before_ns is None else before_ns
        begin, end = (bisect_right(self._stamps_ns, at) for at in (after_ns, until_ns))
        return list(zip(self._stamps_ns[begin:end], self._values[begin:end], strict=True))


def _usable(speed: Series | None) -> tuple[list[int], list[float]]:
    """Stamps and values in order, without those that are no number."""
    if speed is None:
        return [], []
    usable = in_order(speed.stamp_ns) & np.isfinite(speed.values)
    return speed.stamp_ns[usable].tolist(), speed.values[usable].tolist()
