"""Small networks and noise to stream through them."""

import numpy as np
import pytest
import torch

from signattn.model import Network, NetworkConfig


@pytest.fixture(scope='session')
def make_network():
    """Gives a function that makes a network, weights and normalisation drawn at random."""

    def make(hidden=16, seed=0, **config):
        torch.manual_seed(seed)
        drawn = Network(NetworkConfig(hidden=hidden, **config))
        with torch.no_grad():
            drawn.curvature_scale.fill_(0.01)
            drawn.encoder(torch.rand(8, 3, 80, 160))  # moves the running averages
            for parameter in drawn.parameters():
                if parameter.dim() == 1:
                    parameter.add_(0.1 * torch.randn_like(parameter))
        return drawn.eval()

    return make


@pytest.fixture(scope='session')
def make_frames():
    """Gives a function that makes frames of noise, (count, 80, 160, 3) uint8."""

    def make(count, seed=0):
        return np.random.default_rng(seed).integers(0, 180, (count, 80, 160, 3), np.uint8)

    return make


@pytest.fixture(scope='session')
def stream():
    """Gives a function that streams frames: curvatures (T,) and attentions (T, 10, 20)."""

    def run(backend, frames):
        steps = []
        for frame in frames:
            steps.append(backend.answer(frame))
            backend.prepare()
        return np.array([step.curvature for step in steps]), np.array([s.attention for s in steps])

    return run
