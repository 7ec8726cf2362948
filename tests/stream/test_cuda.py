"""CUDA graphs: their buffers on any machine, the rest where there is a GPU."""

import contextlib
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from signattn.model import Network, NetworkConfig
from signattn.preprocess import scale
from signattn.stream.cuda import CudaBackend


def network(**config):
    torch.manual_seed(0)
    drawn = Network(NetworkConfig(hidden=32, **config)).eval()
    with torch.no_grad():
        drawn.curvature_scale.fill_(0.01)
    return drawn


def frames(count):
    return np.random.default_rng(0).integers(0, 180, (count, 80, 160, 3), np.uint8)


def stream(backend, pictures):
    steps = []
    for picture in pictures:
        steps.append(backend.answer(picture))
        backend.prepare()
    return np.array([step.curvature for step in steps]), np.stack([s.attention for s in steps])


@pytest.fixture
def without_gpu(monkeypatch):
    """What a graph holds is done at each replay instead."""

    def captured(_, work):
        work()
        return SimpleNamespace(replay=torch.inference_mode()(work))

    stands = SimpleNamespace(synchronize=lambda: None)
    monkeypatch.setattr(CudaBackend, '_captured', captured)
    monkeypatch.setattr(torch.cuda, 'Stream', lambda _: stands)
    monkeypatch.setattr(torch.cuda, 'device', contextlib.nullcontext)
    monkeypatch.setattr(torch.cuda, 'stream', contextlib.nullcontext)
    monkeypatch.setattr(torch.Tensor, 'pin_memory', torch.Tensor.clone)
    return torch.device('cpu')


CONFIGS = [{}, {'head': 'kim'}, {'attention': 'none_quant'}, {'attention': 'topk'}]


def check(backend, whole):
    pictures = frames(5)
    with torch.no_grad():
        want = whole(torch.from_numpy(scale(pictures[None])))
    for _ in range(2):
        curvature, attention = stream(backend, pictures)
        np.testing.assert_allclose(curvature, want.curvature[0].numpy(), rtol=0, atol=1e-5)
        np.testing.assert_allclose(attention, want.attention[0].numpy(), rtol=0, atol=1e-5)
        backend.reset()
    assert np.std(curvature) > 1e-4


@pytest.mark.parametrize('config', CONFIGS, ids=str)
def test_buffers_hold_what_the_next_graph_needs(without_gpu, config):
    whole = network(**config)
    check(CudaBackend(whole, without_gpu), whole)


def test_a_reset_between_answer_and_preparation_forgets_both(without_gpu):
    backend, pictures = CudaBackend(network(), without_gpu), frames(2)
    want = backend.answer(pictures[1]).curvature
    backend.reset()
    backend.answer(pictures[0])
    backend.reset()
    backend.prepare()
    assert backend.answer(pictures[1]).curvature == want


def test_answers_stay_as_they_are(without_gpu):
    backend, pictures = CudaBackend(network(), without_gpu), frames(2)
    first = backend.answer(pictures[0])
    copy = first.attention.copy()
    backend.prepare()
    backend.answer(pictures[1])
    np.testing.assert_array_equal(first.attention, copy)


@pytest.mark.gpu
@pytest.mark.parametrize('config', CONFIGS, ids=str)
def test_a_gpu_says_what_the_network_says(config):
    check(CudaBackend(network(**config), torch.device('cuda')), network(**config))
