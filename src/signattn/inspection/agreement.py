"""Whether the picture turns when the steering does: a check of sign and clocks by sight."""

import numpy as np
from numpy.typing import NDArray

from signattn.bag import Series
from signattn.inspection.evidence import Agreement, Images
from signattn.preprocess import NS_PER_S

MAX_LAG_S = 5.0
"""s; lags are searched so far, and no further than a quarter of the recording."""
LAG_STEP_S = 0.05
LEAST_PAIRS = 20


def agreement(images: Images, steering: Series | None, speed: Series | None) -> Agreement | None:
    """Correlate the sideways motion of the picture with the turn of the car.

    The picture of a camera that looks ahead moves right in a left turn, in proportion to the yaw
    rate: steering times speed, or the steering alone where no speed is known.

    Args:
        images: With the motion of their sample.
        steering: As recorded.
        speed: As recorded.

    Returns:
        The best lag, or None where too little moves, turns or overlaps.
    """
    if steering is None or len(images.motion) < LEAST_PAIRS:
        return None
    stamps, turn = _turn(steering, speed)
    if len(stamps) < 2:
        return None
    seconds = (images.motion_ns - stamps[0]) / NS_PER_S
    at = (stamps - stamps[0]) / NS_PER_S
    span_s = float(np.ptp(seconds))
    reach = int(min(MAX_LAG_S, span_s / 4) / LAG_STEP_S)
    lags = np.arange(-reach, reach + 1) * LAG_STEP_S
    found = np.array([_correlation(images.motion, seconds + lag, at, turn) for lag in lags])
    if np.isnan(found).all():
        return None
    best = int(np.nanargmax(np.abs(found)))
    return Agreement(
        correlation=round(float(found[best]), 3),
        lag_s=round(float(lags[best]), 3),
        correlation_unshifted=round(float(found[reach]), 3),
        pairs=len(seconds),
        span_s=round(span_s, 1),
    )


def _turn(steering: Series, speed: Series | None) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """What is proportional to the yaw rate, at stamps that increase."""
    stamps, turn = _known(steering)
    if speed is None or steering.quantity == 'yaw_rate':
        return stamps, turn
    driven_ns, driven = _known(speed)
    if not len(driven_ns):
        return stamps, turn
    # Where the speed isn't known, neither is the yaw rate.
    return stamps, turn * np.interp(stamps, driven_ns, driven, left=np.nan, right=np.nan)


def _known(series: Series) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    stamps, index = np.unique(series.stamp_ns, return_index=True)
    values = series.values[index]
    finite = np.isfinite(values)
    return stamps[finite], values[finite]


def _correlation(
    motion: NDArray[np.float64],
    seconds: NDArray[np.float64],
    at: NDArray[np.float64],
    turn: NDArray[np.float64],
) -> float:
    """NaN where fewer than half of the pairs have a turn, or either side is constant."""
    values = np.interp(seconds, at, turn, left=np.nan, right=np.nan)
    known = np.isfinite(values)
    if known.sum() < max(LEAST_PAIRS, len(motion) / 2):
        return np.nan
    motion, values = motion[known], values[known]
    if np.ptp(values) == 0 or np.ptp(motion) == 0:
        return np.nan
    return float(np.corrcoef(motion, values)[0, 1])
