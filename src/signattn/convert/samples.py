"""Labels of a drive's frames as its table."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signattn.drive import COLUMNS, stretches
from signattn.labels import Labels
from signattn.vehicle import Vehicle, curvature_from_steering, smooth


def samples(
    stamps_ns: NDArray[np.int64],
    labels: Labels,
    vehicle: Vehicle,
    smoothing: float,
    max_gap_s: float,
) -> pd.DataFrame:
    """The table of a drive: labels as recorded, and smoothed between gaps.

    Args:
        stamps_ns: (N,) int64, ns, of the frames.
        labels: At these stamps.
        vehicle: For the smoothed curvature.
        smoothing: α_s of Eq. 2 in (0, 1].
        max_gap_s: s; the smoothing begins afresh behind a longer gap.

    Returns:
        N rows of ``signattn.drive.COLUMNS``.
    """
    angle, speed = np.empty(len(stamps_ns)), np.empty(len(stamps_ns))
    for part in stretches(stamps_ns, max_gap_s):
        angle[part] = smooth(labels.steering_angle[part], smoothing)
        speed[part] = smooth(labels.speed[part], smoothing)
    columns = (
        stamps_ns,
        labels.steering_angle,
        labels.speed,
        labels.curvature,
        angle,
        speed,
        curvature_from_steering(angle, speed, vehicle),
    )
    table: pd.DataFrame = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
    return table
