"""ONNX Runtime gives the network's numbers, frame by frame."""

import math
import re

import numpy as np
import pytest
import torch

pytest.importorskip('onnxruntime')

from signattn.model.gating import KINDS
from signattn.preprocess import scale
from signattn.stream.graphs import step_models
from signattn.stream.onnx import OnnxBackend, _array

CPU = torch.device('cpu')
NETWORKS = [
    *({'attention': kind} for kind in KINDS),
    {'encoder_norm': 'batch', 'conv2_kernel': 5},
    {'split': 'shared', 'score': 'bounded_per_cell', 'temperature': 0.1},
    {'head': 'kim'},
    {'head': 'kim', 'attention': 'none_float'},
    {'head': 'kim', 'attention': 'topk', 'budget': 7, 'score': 'bounded'},
    {'bits': 1, 'range_b': 0.25},
    {'bits': 14},
]


@torch.no_grad()
def whole(drawn, frames):
    """The same of the network, all frames at once."""
    output = drawn(torch.from_numpy(scale(frames[None])))
    return output.curvature[0].numpy(), output.attention[0].numpy()


@pytest.mark.parametrize('config', NETWORKS, ids=str)
def test_streamed_answers_are_the_networks(config, make_frames, make_network, stream):
    frames, drawn = make_frames(4), make_network(**config)
    want_curvature, want_attention = whole(drawn, frames)
    curvature, attention = stream(OnnxBackend(drawn, CPU), frames)
    # An amplitude half-way between two levels may go to the other one: one level is about 1e-6.
    np.testing.assert_allclose(curvature, want_curvature, rtol=0, atol=1e-5)
    np.testing.assert_allclose(attention, want_attention, rtol=0, atol=1e-6)
    assert np.std(curvature) > 5e-5
    assert (attention.dtype, attention.shape) == (np.float32, (4, 10, 20))


@pytest.mark.parametrize('seed', range(1, 7))
def test_streamed_answers_are_those_of_any_network(seed, make_frames, make_network, stream):
    frames, drawn = (
        make_frames(6, seed),
        make_network(hidden=1 + 8 * seed, seed=seed, range_b=float(seed)),
    )
    want_curvature, want_attention = whole(drawn, frames)
    curvature, attention = stream(OnnxBackend(drawn, CPU), frames)
    np.testing.assert_allclose(curvature, want_curvature, rtol=0, atol=1e-5)
    np.testing.assert_allclose(attention, want_attention, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    'config', [{}, {'bits': 14}, {'attention': 'soft'}, {'head': 'kim'}], ids=str
)
def test_int8_weights_change_little(config, make_frames, make_network, stream):
    # With a hidden state this small one weight counts for more than in the paper's.
    frames, drawn = make_frames(4), make_network(**config)
    want, _ = whole(drawn, frames)
    curvature, attention = stream(OnnxBackend(drawn, CPU, 'int8'), frames)
    assert 0 < np.abs(curvature - want).max() < 0.02 * np.abs(want).max()
    np.testing.assert_allclose(attention.sum((1, 2)), 1, atol=1e-5)


def test_after_a_reset_nothing_of_the_past_is_left(make_frames, make_network, stream):
    frames, backend = make_frames(3), OnnxBackend(make_network(), CPU)
    first, _ = stream(backend, frames)
    assert stream(backend, frames[:1])[0][0] != first[0]
    backend.reset()
    np.testing.assert_array_equal(stream(backend, frames)[0], first)
    backend.answer(frames[0])
    backend.reset()  # before what follows was prepared
    backend.prepare()
    np.testing.assert_array_equal(stream(backend, frames)[0], first)


def test_preparing_twice_is_preparing_once(make_frames, make_network, stream):
    frames, backend = make_frames(3), OnnxBackend(make_network(), CPU)
    want, _ = stream(backend, frames)
    backend.reset()
    backend.prepare()
    got = []
    for frame in frames:
        got.append(backend.answer(frame).curvature)
        backend.prepare()
        backend.prepare()
    np.testing.assert_array_equal(got, want)


def test_an_answer_stays_when_later_frames_are_answered(make_frames, make_network, stream):
    frames, backend = make_frames(3), OnnxBackend(make_network(), CPU)
    step = backend.answer(frames[0])
    before = step.attention.copy()
    stream(backend, frames[1:])
    np.testing.assert_array_equal(step.attention, before)


def test_a_view_of_a_picture_is_as_good(make_frames, make_network):
    frames, drawn = make_frames(1), make_network()
    wide = np.zeros((80, 160, 6), np.uint8)
    wide[..., ::2] = frames[0]
    want, got = (OnnxBackend(drawn, CPU).answer(each) for each in (frames[0], wide[..., ::2]))
    assert got.curvature == want.curvature


def test_a_feature_of_nothing_counts_as_positive(make_frames, make_network):
    drawn = make_network()
    with torch.no_grad():
        for layer in drawn.encoder.layers:
            for parameter in layer.parameters():
                parameter.zero_()
        drawn.gate.weight.zero_()
        drawn.gate.bias.zero_()
        drawn.output.weight.fill_(1.0)
        drawn.output.bias.zero_()
    # Half of what a product of 1 gives; softplus(0) at 1024 levels of 8.
    level = round(math.log(2) / (8 / 1023)) * 8 / 1023
    answer = OnnxBackend(drawn, CPU).answer(make_frames(1)[0])
    assert answer.curvature == pytest.approx(6400 * 0.5 * level * 0.01)


def test_the_name_tells_what_runs_where(make_network):
    assert OnnxBackend(make_network(), CPU).name == 'onnx on cpu (CPU, fp32, threads: 1)'
    assert OnnxBackend(make_network(), CPU, 'int8').name == 'onnx on cpu (CPU, int8, threads: 1)'


def test_int8_weights_are_a_quarter_as_large(make_network):
    drawn = make_network(hidden=256)
    fp32, int8 = (len(step_models(drawn, weights).prepare) for weights in ('fp32', 'int8'))
    assert 3.9 < fp32 / int8 < 4


def test_what_is_bound_to_a_device_is_the_same(make_frames, make_network):
    sessions = OnnxBackend(make_network(), CPU)._sessions
    given = {'frame': make_frames(1)}
    for name, inputs in (('begin', ['frame']), ('answer', ['frame', 'readout', 'recurrent'])):
        session = sessions[name]
        bound = dict(
            zip(session._outputs, session._bound({key: given[key] for key in inputs}), strict=True)
        )
        plain = session.run({key: _array(value) for key, value in given.items()})
        for key, value in bound.items():
            np.testing.assert_array_equal(_array(value), plain[key])
        given |= {key.removeprefix('next_'): value for key, value in bound.items()}


def test_other_weights_are_refused(make_network):
    text = "weights must be one of ('fp32', 'int8'), got 'int4'"
    with pytest.raises(ValueError, match=f'^{re.escape(text)}$'):
        step_models(make_network(), 'int4')


def test_int8_weights_are_for_a_cpu(make_network):
    with pytest.raises(ValueError, match=r"^weights must be fp32 on cuda:0, got 'int8'$"):
        OnnxBackend(make_network(), torch.device('cuda:0'), 'int8')


def test_a_gpu_without_its_runtime_is_refused(monkeypatch, make_network):
    import onnxruntime

    there = ['CPUExecutionProvider']
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: there)
    text = "onnxruntime must have one of .* for cuda:0, got .*'CPUExecutionProvider'"
    with pytest.raises(ValueError, match=f'^{text}'):
        OnnxBackend(make_network(), torch.device('cuda:0'))


@pytest.mark.gpu
def test_a_gpu_looks_where_the_cpu_looks(make_frames, make_network, stream):
    frames, drawn = make_frames(3), make_network()
    _, want = stream(OnnxBackend(drawn, CPU), frames)
    curvature, attention = stream(OnnxBackend(drawn, torch.device('cuda')), frames)
    np.testing.assert_allclose(attention, want, atol=1e-4)
    assert np.isfinite(curvature).all()
