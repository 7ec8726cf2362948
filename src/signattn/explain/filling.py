"""What explainers put in place of the pixels that they take away."""

from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from signattn.augment.masking import filling
from signattn.preprocess import SCALE, WIDTH, scale, unscale

Filling = Literal['black', 'mean']
_FLOAT = np.array([2 * SCALE[0], 1, 1], np.float32)
"""From the network's numbers to OpenCV's HSV in float32, whose hue is in degrees."""


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


def mixed(empty: Tensor, picture: Tensor, kept: Tensor) -> Tensor:
    """Pictures between nothing and all, mixed in RGB: between two hues there is any hue.

    Args:
        empty: (1, 3, 80, 160) float32, HSV, as ``filled`` gives it.
        picture: (1, 3, 80, 160) float32, HSV, as ``scale`` gives it.
        kept: (M, 80, 160) float32 in [0, 1], how much of the picture is seen.

    Returns:
        (M, 3, 80, 160) float32, HSV.
    """
    nothing, whole = (_to_rgb(each) for each in (empty, picture))
    rgb = nothing + kept.cpu().numpy()[..., None] * (whole - nothing)
    hsv = cv2.cvtColor(rgb.reshape(-1, WIDTH, 3), cv2.COLOR_RGB2HSV) / _FLOAT
    shown = torch.from_numpy(hsv.reshape(rgb.shape)).to(picture.device)
    return shown.permute(0, 3, 1, 2)


def _to_rgb(picture: Tensor) -> NDArray[np.float32]:
    hsv = picture[0].permute(1, 2, 0).cpu().numpy() * _FLOAT
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.float32)
