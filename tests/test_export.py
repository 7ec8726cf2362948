"""Exported models: what is written, and what the report says of them."""

import json
import re

import numpy as np
import pytest
import torch
import yaml

pytest.importorskip('onnxruntime')

import onnxruntime

from signattn.cli import main
from signattn.drive import DriveError
from signattn.export import ExportConfig, export
from signattn.model import Network, NetworkConfig, load
from signattn.parity import compare, noise_frames, rounded
from signattn.preprocess import Preprocessing
from signattn.stream.onnx import OnnxBackend

CPU = torch.device('cpu')
FILES = {f'{name}.onnx' for name in ('begin', 'answer', 'prepare')}


def test_what_is_written(write_model, tmp_path):
    model, out = write_model(), tmp_path / 'made' / 'here'
    metrics = export(model, out)
    assert {path.name for path in out.iterdir()} == FILES | {'export.yaml', 'metrics.json'}
    assert json.loads((out / 'metrics.json').read_text()) == metrics
    description = yaml.safe_load((out / 'export.yaml').read_text())
    checkpoint = load(model)
    assert description['sha256_of_weights'] == checkpoint.checksum
    assert description['architecture']['hidden'] == 4
    assert description['weights'] == 'fp32'
    assert description['preprocessing'] == checkpoint.preprocessing


def test_the_files_alone_answer_a_frame(write_model, tmp_path):
    model, frame = write_model(), noise_frames(1)
    export(model, tmp_path / 'out')
    session = {
        path.stem: onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
        for path in (tmp_path / 'out').glob('*.onnx')
    }
    c, from_h, readout, recurrent = session['begin'].run(None, {'frame': frame})
    inputs = {'frame': frame, 'readout': readout, 'recurrent': recurrent}
    curvature, attention, products = session['answer'].run(None, inputs)
    want = OnnxBackend(load(model).network, CPU).answer(frame[0])
    assert curvature.item() == want.curvature
    np.testing.assert_array_equal(attention.reshape(10, 20), want.attention)
    behind = session['prepare'].run(None, {'products': products, 'from_h': from_h, 'c': c})
    assert [part.shape for part in behind] == [
        part.shape for part in (c, from_h, readout, recurrent)
    ]


def test_the_report_on_noise(write_model, tmp_path):
    metrics = export(write_model(), tmp_path / 'out')
    assert metrics['frames'] == 64
    assert 0 < metrics['curvature_apart_per_m_mean'] <= metrics['curvature_apart_per_m_max'] < 1e-5
    assert metrics['attention_apart_max'] < 1e-6
    # A sign may flip where the feature is 0 but for rounding.
    assert metrics['flipped_feature_max'] < 1e-5


def test_the_report_on_a_drive(write_model, write_drive, tmp_path):
    drive = write_drive(np.linspace(-0.01, 0.01, 6), frames=noise_frames(6))
    metrics = export(write_model(), tmp_path / 'out', drive, ExportConfig(frames=4))
    assert metrics['frames'] == 4
    # 40 rad·m at 10 m/s.
    per_m = np.degrees(40)
    assert metrics['apart_deg_max'] == pytest.approx(per_m * metrics['curvature_apart_per_m_max'])
    assert metrics['mae_deg'] == pytest.approx(metrics['mae_deg_plain'], abs=1e-3)
    assert metrics['mae_deg_plain'] > 0


def test_no_frame_behind_a_gap_is_compared(write_model, write_drive, tmp_path):
    stamps = np.array([0, 50, 100, 5000, 5050]) * 1_000_000
    drive = write_drive(np.zeros(5), frames=noise_frames(5), stamps_ns=stamps)
    assert export(write_model(), tmp_path / 'out', drive)['frames'] == 3


def test_a_drive_without_labels_has_no_error(write_model, write_drive, tmp_path):
    drive = write_drive(np.full(3, np.nan), frames=noise_frames(3))
    metrics = export(write_model(), tmp_path / 'out', drive)
    assert (metrics['mae_deg'], metrics['mae_deg_plain']) == (None, None)
    assert metrics['apart_deg_max'] is not None
    drive = write_drive(np.zeros(3), frames=noise_frames(3), speed=np.nan, name='unknown')
    assert export(write_model(), tmp_path / 'out', drive)['apart_deg_max'] is None


def test_a_drive_of_another_preprocessing_is_refused(write_model, write_drive, tmp_path):
    drive = write_drive(np.zeros(3), preprocessing=Preprocessing(crop_top=0.25))
    with pytest.raises(DriveError, match=r'crop_top must be 0\.0 as in the training of tiny'):
        export(write_model(), tmp_path / 'out', drive)
    assert not (tmp_path / 'out').exists()


def test_flipped_signs_are_counted(write_model):
    """A network whose first output channel is turned round flips that channel's signs."""
    network = load(write_model()).network
    turned = load(write_model()).network
    with torch.no_grad():
        last = turned.encoder.layers[-1]
        last.weight[0] *= -1
        last.bias[0] *= -1
    frames = noise_frames(3)
    assert compare(network, OnnxBackend(network, CPU), frames)[0]['signs_flipped'] == 0
    metrics, _, _ = compare(network, OnnxBackend(turned, CPU), frames)
    assert metrics['signs_flipped'] == 3 * 200
    assert metrics['flipped_feature_max'] > 1e-3


@pytest.mark.parametrize(
    'config', [{}, {'attention': 'topk'}, {'attention': 'soft'}, {'head': 'kim'}], ids=str
)
def test_int8_is_the_network_with_rounded_weights(config):
    torch.manual_seed(0)
    network = Network(NetworkConfig(hidden=16, **config)).eval().requires_grad_(False)
    network.curvature_scale.fill_(0.01)
    frames, backend = noise_frames(8), OnnxBackend(network, CPU, 'int8')
    apart, _, _ = compare(rounded(network), backend, frames)
    assert apart['curvature_apart_per_m_max'] < 2e-6
    from_fp32, _, _ = compare(network, backend, frames)
    assert from_fp32['curvature_apart_per_m_max'] > apart['curvature_apart_per_m_max']


def test_rounding_leaves_the_network_as_it_is(write_model):
    network = load(write_model()).network
    before = network.lstm.weight_ih.clone()
    found = rounded(network).lstm.weight_ih
    assert torch.equal(network.lstm.weight_ih, before)
    half = before.abs().amax(1, keepdim=True) / 127 / 2
    assert (found - before).abs().max() > 0
    assert ((found - before).abs() <= half * 1.0001).all()


@pytest.mark.parametrize(
    ('values', 'text'),
    [
        ({'weights': 'int4'}, "weights must be one of ('fp32', 'int8'), got 'int4'"),
        ({'frames': 0}, 'frames must be at least 1, got 0'),
    ],
)
def test_what_cannot_be_exported_is_refused(values, text):
    with pytest.raises(ValueError, match=f'^{re.escape(text)}$'):
        ExportConfig(**values)


def test_the_verb(write_model, write_drive, tmp_path, capsys):
    drive = write_drive(np.zeros(3), frames=noise_frames(3))
    arguments = ['export', str(write_model()), '--out', str(tmp_path / 'out'), '--weights', 'int8']
    assert main([*arguments, '--data', str(drive.path), '--json']) == 0
    assert json.loads(capsys.readouterr().out)['frames'] == 3
    assert yaml.safe_load((tmp_path / 'out' / 'export.yaml').read_text())['weights'] == 'int8'
