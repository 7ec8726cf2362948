"""A tiny drive whose steering stands in its pictures, and a recipe for it."""

import numpy as np
import pytest

from signattn.augment import AugmentConfig
from signattn.drive import Split
from signattn.model import NetworkConfig
from signattn.train import TrainConfig


def winding(count=80):
    return 0.01 * np.sin(np.arange(count) / 6)


def pictures(curvature):
    """A bright bar, the further left the more the road bends to the left."""
    frames = np.zeros((len(curvature), 80, 160, 3), np.uint8)
    for frame, bend in zip(frames, curvature, strict=True):
        middle = 80 - round(5000 * bend)
        frame[:, middle - 12 : middle + 12, 2] = 255
    return frames


@pytest.fixture
def drive(write_drive):
    return write_drive(winding(), frames=pictures(winding()))


@pytest.fixture
def tiny():
    return TrainConfig(
        name='tiny',
        network=NetworkConfig(hidden=8, encoder_norm='batch', dropout=0.0),
        split=Split('end', fraction=0.25, purge_s=0.0),
        augment=AugmentConfig(mirror=0.0),
        epochs=1,
        batch=2,
        window=5,
        sequence=10,
        learning_rate=1e-3,
        device='cpu',
    )
