"""What the bench counts; how quick anything is isn't tested."""

import json
import re

import numpy as np
import pytest
import torch

import signattn.bench
from signattn.bench import BenchConfig, PlainStep, Route, bench, run_rounds, weights_bytes
from signattn.cli import main
from signattn.model import Network, NetworkConfig
from signattn.preprocess import scale
from signattn.stream import Step

CPU = torch.device('cpu')
QUICK = BenchConfig(device='cpu', threads=1, steps=2, rounds=2)


@pytest.fixture(autouse=True)
def _little_memory(monkeypatch):
    monkeypatch.setattr(signattn.bench, '_READ_BYTES', 1 << 16)


def test_weights_of_a_step_by_hand():
    """At hidden 2: what is int8 by option, then the rest."""
    lstm, gate, recurrent = 8 * 6400 + 8 * 2, 6400 * 2, 64 * 2
    rest = {
        'convolutions': 24 * 76 + 36 * 217 + 48 * 325 + 64 * 433 + 64 * 577,
        'biases of the LSTM and the gate': 2 * 8 + 6400,
        'score': 64 * 65 + 64,
        'output': 6401,
        'range_b': 1,
    }
    network = Network(NetworkConfig(hidden=2))
    large, small = lstm + gate + recurrent, sum(rest.values())
    assert weights_bytes(network, 'fp32') == 4 * (large + small)
    assert weights_bytes(network, 'int8') == large + 4 * small


def test_a_step_of_the_paper_reads_148_megabytes():
    with torch.device('meta'):
        network = Network(NetworkConfig())
    assert weights_bytes(network, 'fp32') / 1e6 == pytest.approx(148.6, abs=0.1)
    assert weights_bytes(network, 'int8') / 1e6 == pytest.approx(37.6, abs=0.2)


@torch.no_grad()
def test_the_plain_step_is_the_network():
    torch.manual_seed(0)
    network = Network(NetworkConfig(hidden=4)).eval()
    frames = np.random.default_rng(0).integers(0, 180, (3, 80, 160, 3), np.uint8)
    plain = PlainStep(network, CPU)
    got = []
    for frame in frames:
        got.append(plain.answer(frame).curvature)
        plain.prepare()
    want = network(torch.from_numpy(scale(frames[None]))).curvature[0]
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5)
    plain.reset()
    assert plain.answer(frames[0]).curvature == got[0]


def test_a_row_by_hand():
    route = Route('toy', None, 2_000_000, [1.0, 2.0, 3.0], [2.0, 4.0, 9.0], [1.0, 2.0, 4.0])
    assert route.row() == {
        'backend': 'toy',
        'answer_ms_p50': 2.0,
        'answer_ms_p99': pytest.approx(2.98),
        'step_ms_p50': 4.0,
        'step_ms_p99': pytest.approx(8.9),
        'frames_per_s': 250.0,
        'weights_mb': 2.0,
        'times_floor': 2.0,
        'bandwidth_share': 0.5,
    }


def test_routes_take_turns_and_each_begins_afresh():
    said = []

    class Recorder:
        def __init__(self, name):
            self.name = name

        def answer(self, frame):
            said.append((self.name, 'answer'))
            return Step(0.0, frame)

        def prepare(self):
            said.append((self.name, 'prepare'))

        def reset(self):
            said.append((self.name, 'reset'))

    routes = [Route(name, Recorder(name), 1) for name in 'ab']
    rates = run_rounds(routes, CPU, steps=2, rounds=2)
    turn = {n: [(n, 'reset')] + 7 * [(n, 'answer'), (n, 'prepare')] for n in 'ab'}
    assert said == 2 * (turn['a'] + turn['b'])
    assert len(rates) == 2
    for route in routes:
        assert len(route.answer_ms) == len(route.step_ms) == 4
        assert len(route.times_floor) == 2
        assert all(
            step >= answer for step, answer in zip(route.step_ms, route.answer_ms, strict=True)
        )


def test_every_back_end_of_a_model(write_model):
    pytest.importorskip('onnxruntime')
    machine, rows = bench(write_model(), QUICK)
    names = [row['backend'].split(' (')[0] for row in rows]
    assert names == ['plain', 'torch on cpu', 'onnx on cpu', 'onnx on cpu']
    assert 'int8' in rows[3]['backend']
    assert machine['threads'] == 1
    assert machine['read_gb_per_s'] > 0
    for row in rows:
        assert row['bandwidth_share'] * row['times_floor'] == pytest.approx(1)
        assert row['frames_per_s'] * row['step_ms_p50'] == pytest.approx(1000)


@pytest.mark.parametrize(('backend', 'count'), [('torch', 2), ('onnx', 3)])
def test_one_back_end_and_the_plain_step(write_model, backend, count):
    pytest.importorskip('onnxruntime')
    config = BenchConfig(backend, 'cpu', 1, 1, 1)
    assert len(bench(write_model(), config)[1]) == count


def test_threads_are_put_back(write_model):
    before = torch.get_num_threads()
    bench(write_model(), BenchConfig('torch', 'cpu', before + 1, 1, 1))
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ('values', 'text'),
    [
        ({'backend': 'tflite'}, "backend must be all, torch or onnx, got 'tflite'"),
        ({'threads': -1}, 'threads must be at least 0, got -1'),
        ({'steps': 0}, 'steps must be at least 1, got 0'),
        ({'rounds': 0}, 'rounds must be at least 1, got 0'),
    ],
)
def test_what_cannot_be_measured_is_refused(values, text):
    with pytest.raises(ValueError, match=f'^{re.escape(text)}$'):
        BenchConfig(**values)


def test_the_verb_writes_what_it_prints(write_model, tmp_path, capsys):
    arguments = ['bench', '--model', str(write_model()), '--backend', 'torch', '--steps', '1']
    arguments += ['--rounds', '1', '--threads', '1', '--device', 'cpu', '--out', str(tmp_path)]
    assert main([*arguments, '--json']) == 0
    printed = json.loads(capsys.readouterr().out)
    assert json.loads((tmp_path / 'metrics.json').read_text()) == printed
    assert printed['backends'][0]['backend'] == 'plain'
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert 'read_gb_per_s' in out
    assert 'answer_ms_p50' in out
