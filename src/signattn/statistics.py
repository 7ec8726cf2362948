"""What there is to say about a drive in numbers: one definition for every table."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signattn.preprocess import NS_PER_S

NS_PER_MS = 1_000_000

Row = dict[str, Any]
"""Numbers by key, with the unit in the key's name; None where there is nothing to measure."""


def time_statistics(stamps_ns: NDArray[np.int64], max_gap_s: float) -> Row:
    """Rate, evenness and gaps of a time series.

    Args:
        stamps_ns: (N,) int64, ns, in the order of recording.
        max_gap_s: s; a longer step is a gap.

    Returns:
        ``duration_s``, ``rate_hz`` (of the median interval), ``jitter_ms`` (half the width of the
        middle 90 % of the intervals), ``gaps``, ``longest_gap_s`` (0 without gap),
        ``repeated_stamps`` and ``backward_stamps``. Gaps and stamps that don't go forward are left
        out of rate and jitter.
    """
    steps = np.diff(stamps_ns)
    gaps = steps[steps > max_gap_s * NS_PER_S]
    forward = steps[(steps > 0) & (steps <= max_gap_s * NS_PER_S)] / NS_PER_MS
    jitter_ms = None
    if forward.size:
        low, high = np.percentile(forward, (5, 95))
        jitter_ms = round(float(high - low) / 2, 3)
    return {
        'duration_s': round(float(np.ptp(stamps_ns)) / NS_PER_S, 3) if len(stamps_ns) else 0.0,
        'rate_hz': round(1000 / float(np.median(forward)), 3) if forward.size else None,
        'jitter_ms': jitter_ms,
        'gaps': int(gaps.size),
        'longest_gap_s': round(float(gaps.max()) / NS_PER_S, 3) if gaps.size else 0.0,
        'repeated_stamps': int(np.sum(steps == 0)),
        'backward_stamps': int(np.sum(steps < 0)),
    }


def label_statistics(
    steering_angle: NDArray[np.float64],
    speed: NDArray[np.float64],
    curvature: NDArray[np.float64],
) -> Row:
    """How much there is to learn from a drive's labels.

    Args:
        steering_angle: (N,) float64, rad at the wheel; NaN where unknown.
        speed: (N,) float64, m/s; NaN where unknown.
        curvature: (N,) float64, 1/m; NaN where unknown.

    Returns:
        ``labelled`` (frames with a curvature), and mean, standard deviation, least and greatest
        value of ``steering_deg``, ``speed_m_per_s`` and ``curvature_per_m``.
    """
    return {
        'labelled': int(np.isfinite(curvature).sum()),
        **distribution('steering_deg', np.degrees(steering_angle), 3),
        **distribution('speed_m_per_s', speed, 3),
        **distribution('curvature_per_m', curvature, 6),
    }


def distribution(name: str, values: NDArray[np.float64], digits: int) -> Row:
    """Mean, standard deviation, least and greatest of the finite values.

    Args:
        name: What is measured, with its unit.
        values: (N,) float64; what isn't finite is left out.
        digits: Digits behind the point.

    Returns:
        ``NAME_mean``, ``NAME_std``, ``NAME_min``, ``NAME_max``; None where no value is finite.
    """
    finite = values[np.isfinite(values)]
    measures: dict[str, Callable[[NDArray[np.float64]], np.floating[Any]]] = {
        'mean': np.mean,
        'std': np.std,
        'min': np.min,
        'max': np.max,
    }
    return {
        f'{name}_{key}': round(float(measure(finite)), digits) if finite.size else None
        for key, measure in measures.items()
    }
