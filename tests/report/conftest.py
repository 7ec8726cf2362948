"""A small network, a drive with a bend, and what was measured of them, once for all tests."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from signattn.evaluate import EvaluateConfig, evaluate
from signattn.model import Checkpoint, Network, NetworkConfig
from signattn.preprocess import Preprocessing
from signattn.quality import QualityConfig, measure_quality
from signattn.report import write_report

QUICK = QualityConfig(
    explainers=('attention', 'gradcam'),
    fillings=('black',),
    regimes=('frame',),
    modes=('deletion', 'insertion'),
    levels=(0, 10, 20),
    insertion_levels=(0, 100),
    random_maps=1,
    step=10,
    block_s=2.0,
    device='cpu',
)


@pytest.fixture
def quick():
    """What is measured: little."""
    return QUICK


@pytest.fixture
def checkpoint(vehicle):
    torch.manual_seed(0)
    network = Network(NetworkConfig(hidden=4, encoder_norm='batch', dropout=0.0)).eval()
    network.curvature_scale.fill_(0.01)
    return Checkpoint(network, Preprocessing().to_mapping(), vehicle, name='tiny <1>')


@pytest.fixture
def drive(write_drive):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 180, (80, 80, 160, 3), np.uint8)
    return write_drive(0.01 * np.sin(np.arange(80) / 6), frames=frames, name='winding')


@pytest.fixture
def scored(checkpoint, drive):
    return evaluate(checkpoint, [drive], EvaluateConfig(windows=False, block_s=2.0, device='cpu'))


@pytest.fixture
def report(tmp_path, checkpoint, drive, scored):
    """Gives a function that writes a report and returns its folder and its metrics."""

    def write(config=QUICK, *, explained=True, training=None):
        metrics, items = scored
        quality = measure_quality(checkpoint, [drive], config) if explained else None
        out = tmp_path / 'report'
        trained = replace(checkpoint, training=training or {})
        return out, write_report(out, trained, metrics, items, quality, config)

    return write
