"""A network whose answer is known on paper, and pictures with a bright cell."""

import pytest
import torch
from torch import nn

from signattn.model import Network, NetworkConfig

ROW, COLUMN = 4, 6  # the cell that the answer depends on
WEIGHT = 0.5
SOFTPLUS_0 = 89 * 8 / 1023  # of 0, at the nearest level


class Brightness(nn.Module):
    """An encoder whose first channel goes with the brightness of a cell; the others are 0."""

    def __init__(self, dark):
        """From ``dark``, for a black cell, to 1."""
        super().__init__()
        self.layers = nn.Conv2d(3, 64, 8, 8)
        nn.init.zeros_(self.layers.weight)
        nn.init.zeros_(self.layers.bias)
        nn.init.constant_(self.layers.weight[0, 2], (1 - dark) / 64)
        nn.init.constant_(self.layers.bias[0], dark)

    def forward(self, frames):
        """(N, 200, 64) of (N, 3, 80, 160)."""
        return self.layers(frames).flatten(2).transpose(1, 2)


@pytest.fixture
def toy():
    """Gives a network whose answer depends on one cell.

    With ``none_float`` it is weight · brightness, with ``soft32`` 200 α times that, and with
    ``sign`` weight where the cell is brighter than grey, else −weight. α goes with
    e^(sharpness · brightness).
    """

    def make(attention='none_float', weight=WEIGHT, sharpness=0.0):
        config = NetworkConfig(hidden=1, attention=attention, dropout=0.0)
        network = Network(config).eval().requires_grad_(requires_grad=False)
        for name, parameter in network.named_parameters():
            if name != 'range_b':
                parameter.zero_()
        dark, amplitude = (-1.0, SOFTPLUS_0) if attention == 'sign' else (0.0, 1.0)
        network.encoder = Brightness(dark).requires_grad_(requires_grad=False)
        weights = torch.zeros(10, 20, 32)
        weights[ROW, COLUMN, 0] = 2 * weight / amplitude  # the gate is ½
        network.output.weight[0] = weights.flatten()
        if network.attention is not None:
            # tanh is linear here
            network.attention.from_features.weight[0, 0] = 1e-3
            network.attention.to_score.weight[0, 0] = 1e3 * sharpness / (1 - dark)
        return network

    return make


@pytest.fixture
def spots():
    """Gives frames, (1, T, 3, 80, 160), black but for the cells at (row, column)."""

    def make(*cells, steps=1, value=1.0):
        frames = torch.zeros(1, steps, 3, 80, 160)
        for row, column in cells:
            frames[..., 2, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = value
        return frames

    return make


@pytest.fixture
def small():
    """Gives a network with random weights."""

    def make(**config):
        torch.manual_seed(0)
        return Network(NetworkConfig(**({'hidden': 4, 'dropout': 0.0} | config))).eval()

    return make


@pytest.fixture
def pictures():
    """(1, 4, 3, 80, 160) of noise, such as ``scale`` gives it."""
    generator = torch.Generator().manual_seed(1)
    levels = torch.randint(0, 180, (1, 4, 3, 80, 160), generator=generator)
    return levels / torch.tensor([179.0, 255.0, 255.0])[:, None, None]
