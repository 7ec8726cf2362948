"""Side roads: where the markings stop and another road's asphalt begins."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from signattn.synthetic.ground import Array, Ground, Pixels
from signattn.synthetic.surface import PERIOD, Lanes

LENGTH = 60.0  # m of a side road that are there
OVERLAP = 0.3  # m by which it begins inside the asphalt of ours, whose edge isn't straight
BESIDE = 1.25  # times its asphalt that its gravel reaches to


@dataclass(frozen=True)
class Junctions:
    """Side roads that meet the road squarely.

    Attributes:
        begin: (J,) m, station at which a gap in the markings begins.
        end: (J,) m, where it ends.
        sides: (J, 2) bool, whether there is a side road to the left and to the right.
        lanes: Cross section of our road.
    """

    begin: Array
    end: Array
    sides: NDArray[np.bool_]
    lanes: Lanes

    @classmethod
    def drawn(
        cls, gaps: list[tuple[float, float]], lanes: Lanes, rng: np.random.Generator
    ) -> 'Junctions':
        """Side roads at the gaps in the markings, which are given by begin and end in m."""
        begin, end = np.array(gaps, float).reshape(-1, 2).T
        kind = rng.choice(3, begin.size, p=[0.35, 0.35, 0.3])
        return cls(begin, end, np.stack([kind != 1, kind != 0], -1), lanes)

    def cover(self, station: Array, left: Array) -> NDArray[np.bool_]:
        """Whether points (N,), by station and metres left of the lane, lie on a side road."""
        covered = np.zeros(station.shape, bool)
        for begin, end, sides in zip(self.begin, self.end, self.sides, strict=True):
            for out, there in zip(self._beyond(left), sides, strict=True):
                aside = np.abs(station - (begin + end) / 2)
                on = (out > 0) & (out < LENGTH) & (aside < 1 + BESIDE * _half(out, end - begin))
                covered |= on & there
        return covered

    def open_sides(self, station: Array) -> NDArray[np.bool_]:
        """Whether our left and our right edge (2, N) are open at stations (N,) in m."""
        within = (station > self.begin[:, None]) & (station < self.end[:, None])  # (J, N)
        return np.asarray((self.sides[..., None] & within[:, None]).any(0))

    def turn(self, ground: Ground, across: Pixels, along: Pixels) -> tuple[Pixels, Pixels]:
        """Let the pixels of side roads look up our own road's texture, turned squarely.

        Args:
            ground: The rows.
            across: (R, W) float32, m, left of the middle of the lane.
            along: (R, W) float32, m, beyond the station of the row.

        Returns:
            across and along, changed on side roads; the same arrays where there is none.
        """
        reach = np.abs(along[:, [0, -1]]).max(1)
        near = []
        for number, (begin, end) in enumerate(zip(self.begin, self.end, strict=True)):
            middle, half = (begin + end) / 2, BESIDE * (end - begin) / 2
            rows = np.flatnonzero(np.abs(ground.station - middle) < half + reach)
            if rows.size:
                near.append((number, slice(int(rows[0]), int(rows[-1]) + 1)))
        if near:
            across, along = across.copy(), along.copy()
            for number, band in near:
                self._turn_one(number, ground.station[band], across[band], along[band])
        return across, along

    def _turn_one(self, number: int, station: Array, across: Pixels, along: Pixels) -> None:
        lanes = self.lanes
        gap = float(self.end[number] - self.begin[number])
        middle = float(self.begin[number]) + gap / 2
        aside = (station - middle).astype(np.float32)[:, None] + along
        left, right = self._beyond(across)
        out = np.maximum(*(np.where(there, beyond, np.float32(-1)) for there, beyond in zip(
            self.sides[number], (left, right), strict=True)))  # fmt: skip
        rows, columns = np.nonzero((out > -OVERLAP) & (out < LENGTH) & (np.abs(aside) < gap))
        out, aside = out[rows, columns], aside[rows, columns]
        share = aside / _half(np.maximum(out, 0), gap)
        on = np.abs(share) < BESIDE
        rows, columns = rows[on], columns[on]
        half = (lanes.left_edge - lanes.right_edge) / 2
        across[rows, columns] = (lanes.left_edge + lanes.right_edge) / 2 + half * share[on]
        along[rows, columns] = out[on] % PERIOD - station[rows] % PERIOD

    def _beyond(self, left: Array | Pixels) -> tuple[Array | Pixels, Array | Pixels]:
        """Metres beyond the left and the right edge of our asphalt."""
        return left - self.lanes.left_edge, self.lanes.right_edge - left


def _half(out: Array | Pixels, gap: float) -> Array | Pixels:
    """Half the width of a side road in m: it narrows from the gap in our markings."""
    return gap / 2 * (0.55 + 0.45 * np.exp(-out / 3))
