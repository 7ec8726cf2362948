"""What explainers put in place of the pixels that they take away."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from signattn.augment.masking import filling
from signattn.preprocess import scale, unscale

Filling = Literal['black', 'mean']


def filled(pictures: Tensor, kind: Filling) -> Tensor:
    """Pictures that hold nothing, one for each.

    Args:
        pictures: (N, 3, 80, 160) float32, HSV, as ``scale`` gives it.
        kind: ``black``, or ``mean``, the mean colour of each picture's RGB.

    Returns:
        (N, 3, 80, 160) float32.

    Raises:
        ValueError: If kind is unknown.
    """
    fill = filling(kind, np.random.default_rng(0))  # neither of the two draws
    empty = [fill(image, 0) for image in unscale(pictures.cpu().numpy())]
    return torch.from_numpy(scale(np.stack(empty))).to(pictures.device)
