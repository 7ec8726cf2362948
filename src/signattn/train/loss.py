"""How far the answers of a window are from what they should be."""

from typing import Literal

import torch
from torch import Tensor

Kind = Literal['l1', 'huber']


def summed_loss(
    curvature: Tensor, target: Tensor, unit: Tensor, kind: Kind = 'l1'
) -> tuple[Tensor, Tensor]:
    """Loss over the frames that have a label.

    Args:
        curvature: (B, T) float32, predicted, 1/m.
        target: (B, T) float32, 1/m; NaN where unknown.
        unit: () float32, 1/m; the loss is measured in it.
        kind: ``l1``, or ``huber``, which is quadratic below one unit.

    Returns:
        () float32, sum over the labelled frames; 0 if there are none.
        () int64, how many they are.
    """
    known = target.isfinite()
    error = torch.where(known, (curvature - torch.where(known, target, 0.0)) / unit, 0.0)
    per_frame = error.abs()
    if kind == 'huber':
        per_frame = torch.where(per_frame < 1, 0.5 * error**2, per_frame - 0.5)
    return per_frame.sum(), known.sum()


def masked_loss(curvature: Tensor, target: Tensor, unit: Tensor, kind: Kind = 'l1') -> Tensor:
    """Mean of ``summed_loss``.

    Args:
        curvature: As there.
        target: As there.
        unit: As there.
        kind: As there.

    Returns:
        () float32; 0 if no frame has a label.
    """
    summed, known = summed_loss(curvature, target, unit, kind)
    return summed / known.clamp(min=1)
