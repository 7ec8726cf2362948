"""The demo model on a rendered drive: streamed by each back end, and as a window at once."""

import numpy as np
import pytest
import torch

from signattn.model import load
from signattn.preprocess import Preprocessing, network_input, scale
from signattn.share import share_path
from signattn.stream import BACKENDS, Engine
from signattn.synthetic import SynthConfig, frames

DEMO = share_path('models/demo')


@pytest.fixture(scope='module')
def pictures():
    return [frame.image for frame in frames(SynthConfig(duration=0.3, seed=3))]


@pytest.mark.parametrize('backend', BACKENDS)
def test_streamed_is_batched(pictures, backend):
    if backend == 'onnx':
        pytest.importorskip('onnxruntime')
    checkpoint = load(DEMO)
    contract = Preprocessing.from_mapping(checkpoint.preprocessing)
    inputs = np.stack([network_input(picture, contract) for picture in pictures])
    with torch.no_grad():
        want = checkpoint.network(torch.from_numpy(scale(inputs[None])))
    engine = Engine(checkpoint, 'cpu', backend)
    steps = [engine.step(picture) for picture in pictures]
    got = [step.curvature for step in steps]
    np.testing.assert_allclose(got, want.curvature[0].numpy(), rtol=0, atol=1e-5)
    maps = np.stack([step.attention for step in steps])
    np.testing.assert_allclose(maps, want.attention[0].numpy(), rtol=0, atol=1e-5)
    assert len(got) == 6
    assert np.std(got) > 1e-5
