"""Which back end is taken, by name and by what is measured."""

import importlib.util
import re

import numpy as np
import pytest
import torch

from signattn.model import Checkpoint, Network, NetworkConfig
from signattn.preprocess import Preprocessing
from signattn.stream import Engine, Step, choose
from signattn.stream.choose import answer_seconds, choose_backend
from signattn.stream.eager import EagerBackend
from signattn.vehicle import Vehicle

CPU = torch.device('cpu')


def network():
    torch.manual_seed(0)
    return Network(NetworkConfig(hidden=4)).eval()


@pytest.fixture
def bare(monkeypatch):
    """A machine without onnx."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, 'find_spec', lambda name: None if name.startswith('onnx') else find(name)
    )


def test_a_back_end_by_name():
    pytest.importorskip('onnxruntime')
    assert type(choose_backend(network(), 'torch', CPU)) is EagerBackend
    for weights in ('fp32', 'int8'):
        assert weights in choose_backend(network(), 'onnx', CPU, weights).name
    assert 'int8' in choose_backend(network(), 'auto', CPU, 'int8').name


def test_an_engine_hands_on_what_it_is_asked_for():
    pytest.importorskip('onnxruntime')
    vehicle = Vehicle('toy', 2.0, 10.0, 0.01)
    checkpoint = Checkpoint(network(), Preprocessing().to_mapping(), vehicle)
    assert Engine(checkpoint, 'cpu').backend.name.startswith('torch')
    assert 'int8' in Engine(checkpoint, 'cpu', 'onnx', 'int8').backend.name


@pytest.mark.parametrize('quick', ['torch', 'onnx'])
def test_auto_takes_what_answers_soonest_and_says_so(monkeypatch, quick):
    pytest.importorskip('onnxruntime')
    monkeypatch.setattr(
        choose, 'answer_seconds', lambda it: 0.001 if it.name.startswith(quick) else 0.002
    )
    name = choose_backend(network(), 'auto', CPU).name
    assert re.match(f'{quick} on cpu.*, which answers soonest: ', name)
    assert re.search(r'onnx on cpu \([^)]*\) in \d\.00 ms, torch on cpu.* in \d\.00 ms$', name)


@pytest.mark.usefixtures('bare')
def test_auto_takes_torch_where_there_is_no_other():
    backend = choose_backend(network(), 'auto', CPU)
    assert type(backend) is EagerBackend
    assert 'soonest' not in backend.name


@pytest.mark.usefixtures('bare')
def test_onnx_must_be_installed():
    text = "onnx and onnxruntime must be installed for backend onnx, found none: pip install -e '"
    with pytest.raises(ValueError, match=f'^{re.escape(text)}'):
        choose_backend(network(), 'onnx', CPU)


def test_an_unknown_back_end_is_refused():
    text = "backend must be one of ('auto', 'torch', 'onnx'), got 'tflite'"
    with pytest.raises(ValueError, match=f'^{re.escape(text)}$'):
        choose_backend(network(), 'tflite', CPU)


def test_torch_has_no_int8():
    text = "weights must be fp32 with backend torch, got 'int8': take onnx"
    with pytest.raises(ValueError, match=f'^{text}$'):
        choose_backend(network(), 'torch', CPU, 'int8')


def test_measuring_streams_frames_and_forgets_them():
    calls = []

    class Recorder:
        name = 'recorder'

        def answer(self, frame):
            assert (frame.shape, frame.dtype) == ((80, 160, 3), np.uint8)
            calls.append('answer')
            return Step(0.0, np.zeros((10, 20), np.float32))

        def prepare(self):
            calls.append('prepare')

        def reset(self):
            calls.append('reset')

    assert answer_seconds(Recorder()) > 0
    assert calls == ['answer', 'prepare'] * 20 + ['reset']
