"""Stamps that go backwards: which ones to leave out."""

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray


def in_order(stamp_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Choose as many stamps as possible that don't go backwards.

    One stamp far in the future costs only itself, and so does one that comes late. Where a clock
    was set back, the longer part stays.

    Args:
        stamp_ns: (N,) int64, ns, in the order of recording.

    Returns:
        (N,) bool, true for a longest sequence of stamps in which none is before its predecessor;
        repeated stamps stay.
    """
    if np.all(np.diff(stamp_ns) >= 0):
        return np.ones(len(stamp_ns), bool)
    # Patience sorting: for each length the sequence that ends earliest, and how it came about.
    ends: list[int] = []
    last: list[int] = []
    before = np.full(len(stamp_ns), -1)
    for index, stamp in enumerate(stamp_ns.tolist()):
        length = bisect_right(ends, stamp)
        if length:
            before[index] = last[length - 1]
        ends[length : length + 1] = [stamp]
        last[length : length + 1] = [index]
    chosen = np.zeros(len(stamp_ns), bool)
    index = last[-1]
    while index >= 0:
        chosen[index] = True
        index = int(before[index])
    return chosen
