"""Networks that can be worked out, and small ones with random weights."""

import numpy as np
import pytest
import torch
from torch import nn

from signattn.model import Network, NetworkConfig


class Brightness(nn.Module):
    """An encoder whose first channel is the mean V of each cell's own 8×8 pixels; others are 0."""

    def forward(self, frames):
        """(N, 200, 64) of (N, 3, 80, 160)."""
        features = torch.zeros(len(frames), 200, 64)
        features[..., 0] = nn.functional.avg_pool2d(frames[:, 2], 8).flatten(1)
        return features


@pytest.fixture
def adding():
    """Gives a function that makes a network which adds brightnesses.

    Its answer to a frame is σ(8 h) / σ(0) · Σ_cells weight · V in 1/m, V in [0, 1], h = 0 before
    the first frame. With ``memory`` h = ½ tanh(tanh(mean V of the first frame)) from then on, else
    it stays 0.
    """

    def make(weights, *, memory=False):
        made = Network(NetworkConfig(hidden=1, attention='none_float', dropout=0.0)).eval()
        made.requires_grad_(requires_grad=False)
        for name, parameter in made.named_parameters():
            if name != 'range_b':
                parameter.zero_()
        made.encoder = Brightness()
        each = torch.zeros(200, 32)
        each[:, 0] = torch.as_tensor(weights, dtype=torch.float32).flatten()
        made.output.weight[0] = 2 * each.flatten()  # the gate is ½ at h = 0
        if memory:
            made.initial_c.weight[0, 0] = 1.0
            made.lstm.bias_ih[1] = 50.0  # keeps c
            made.gate.weight[:] = 8.0
        return made

    return make


@pytest.fixture
def random_network():
    """Gives a function that makes a small network with random weights that sees its input well."""

    def make(**options):
        torch.manual_seed(0)
        made = Network(NetworkConfig(hidden=6, dropout=0.0, **options)).eval()
        for layer in made.encoder.layers:
            if isinstance(layer, nn.BatchNorm2d):
                nn.init.uniform_(layer.running_mean, -0.2, 0.2)
                nn.init.uniform_(layer.running_var, 0.5, 2.0)
                nn.init.uniform_(layer.weight, 0.5, 2.0)
                nn.init.uniform_(layer.bias, -0.5, 0.5)
        made.curvature_scale.fill_(0.01)
        return made.requires_grad_(requires_grad=False)

    return make


@pytest.fixture
def pictures():
    """Gives a function that makes smooth random frames, (count, 80, 160, 3) uint8, HSV."""

    def make(count):
        rng = np.random.default_rng(0)
        coarse = rng.integers(0, 180, (count, 10, 20, 3), np.uint8)
        fine = rng.integers(0, 40, (count, 80, 160, 3), np.uint8)
        return coarse.repeat(8, 1).repeat(8, 2) // 2 + fine

    return make
