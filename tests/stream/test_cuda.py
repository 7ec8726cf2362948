"""CUDA graphs: their buffers on any machine, the rest where there is a GPU."""

import contextlib
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from signattn.preprocess import scale
from signattn.stream.cuda import CudaBackend


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


@pytest.fixture
def check(make_frames, stream):
    """Gives a function that holds a back end to the network."""

    def run(backend, whole):
        pictures = make_frames(5)
        with torch.no_grad():
            want = whole(torch.from_numpy(scale(pictures[None])))
        for _ in range(2):
            curvature, attention = stream(backend, pictures)
            np.testing.assert_allclose(curvature, want.curvature[0].numpy(), rtol=0, atol=1e-5)
            np.testing.assert_allclose(attention, want.attention[0].numpy(), rtol=0, atol=1e-5)
            backend.reset()
        assert np.std(curvature) > 1e-4

    return run


@pytest.mark.parametrize('config', CONFIGS, ids=str)
def test_buffers_hold_what_the_next_graph_needs(without_gpu, config, make_network, check):
    whole = make_network(**config)
    check(CudaBackend(whole, without_gpu), whole)


def test_a_reset_between_answer_and_preparation_forgets_both(
    without_gpu, make_frames, make_network
):
    backend, pictures = CudaBackend(make_network(), without_gpu), make_frames(2)
    want = backend.answer(pictures[1]).curvature
    backend.reset()
    backend.answer(pictures[0])
    backend.reset()
    backend.prepare()
    assert backend.answer(pictures[1]).curvature == want


def test_answers_stay_as_they_are(without_gpu, make_frames, make_network):
    backend, pictures = CudaBackend(make_network(), without_gpu), make_frames(2)
    first = backend.answer(pictures[0])
    copy = first.attention.copy()
    backend.prepare()
    backend.answer(pictures[1])
    np.testing.assert_array_equal(first.attention, copy)


@pytest.mark.gpu
@pytest.mark.parametrize('config', CONFIGS, ids=str)
def test_a_gpu_says_what_the_network_says(config, make_network, check):
    check(CudaBackend(make_network(**config), torch.device('cuda')), make_network(**config))
