"""Networks whose answer lies in the contents, in the pattern of openings, or in neither."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from signattn.cli import main
from signattn.leak import LeakConfig, leak_test
from signattn.model import Checkpoint, Network, NetworkConfig, save
from signattn.preprocess import Preprocessing

COUNT = 56
BEND = 0.01  # 1/m


class Spots(nn.Module):
    """An encoder that sees one bright cell: in the first channel how bright, in the 33rd 8."""

    def forward(self, frames):
        """(N, 200, 64) of (N, 3, 80, 160)."""
        value = nn.functional.avg_pool2d(frames[:, 2], 8).flatten(1)  # (N, L)
        features = torch.zeros(len(frames), 200, 64)
        features[..., 0] = torch.where(value > 0.2, torch.where(value > 0.6, 1.0, -1.0), 0.0)
        features[..., 1] = torch.where(value > 0.2, 1.0, 0.0)
        features[..., 32:] = 8.0
        return features


def network(answer, attention='topk'):
    """Opens the cell that isn't black; says BEND for a bright, −BEND for a dim one.

    With ``answer='place'`` it listens to which cell is open instead: left of the middle BEND.
    """
    config = NetworkConfig(
        hidden=1,
        attention=attention,
        dropout=0.0,
        **({'budget': 1} if attention == 'topk' else {}),
    )
    made = Network(config).eval().requires_grad_(requires_grad=False)
    for name, parameter in made.named_parameters():
        if name != 'range_b':
            parameter.zero_()
    made.encoder = Spots()
    if made.attention is not None:
        made.attention.from_features.weight[0, 1] = 5.0
        made.attention.to_score.weight[0, 0] = 10.0
    weight = torch.zeros(200, 32)
    if answer == 'contents':
        weight[:, 0] = 1.0
    else:  # channel 2 is 0, whose sign is +1
        columns = torch.arange(200) % 20
        weight[:, 2] = torch.where(columns < 10, 1.0, -1.0)
    made.output.weight[0] = weight.flatten() * BEND / 4  # the gate is ½, the amplitude 8
    return made


@pytest.fixture
def drive(write_drive):
    """Left bends with a bright spot on the left, right ones with a dim one on the right."""
    bends = np.where(np.arange(COUNT) // 7 % 2, BEND, -BEND)
    frames = np.zeros((COUNT, 80, 160, 3), np.uint8)
    for index, (frame, bend) in enumerate(zip(frames, bends, strict=True)):
        column = (index % 5) + (0 if bend > 0 else 12)
        frame[24:32, 8 * column : 8 * column + 8, 2] = 255 if bend > 0 else 100
    return write_drive(bends, frames=frames)


def leak_of(made, drive, vehicle):
    checkpoint = Checkpoint(made, Preprocessing().to_mapping(), vehicle)
    return leak_test(checkpoint, [drive], LeakConfig(away_s=0.35, device='cpu'))


def test_contents_that_carry_the_answer_are_causal(drive, vehicle):
    metrics = leak_of(network('contents'), drive, vehicle)
    # 0.01 1/m at 10 m/s is 0.4 rad, 22.918°.
    assert metrics['frames'] == COUNT
    assert metrics['mae_deg'] == pytest.approx(0, abs=1e-3)
    assert metrics['mae_deg_zero'] == pytest.approx(22.918, abs=1e-3)
    assert metrics['mae_deg_without_contents'] >= 0.95 * 22.918
    assert metrics['moved_deg_by_another_map'] > 1
    assert metrics['verdict'] == 'causal'


def test_openings_that_carry_the_answer_leak(drive, vehicle):
    metrics = leak_of(network('place'), drive, vehicle)
    assert metrics['mae_deg'] == pytest.approx(0, abs=1e-3)
    assert metrics['mae_deg_without_contents'] == pytest.approx(0, abs=1e-3)
    assert metrics['verdict'] == 'leaks'


def test_what_lies_ahead_is_scored_then(write_drive, drive, vehicle):
    """The same pictures, whose bend is driven four frames later."""
    later = np.roll(drive.column('curvature'), 4)
    ahead = write_drive(later, frames=np.array(drive.frames), name='ahead')
    made = network('contents')
    training = {'recipe': {'target_lead_s': 0.2}}
    checkpoint = Checkpoint(made, Preprocessing().to_mapping(), vehicle, training)
    metrics = leak_test(checkpoint, [ahead], LeakConfig(away_s=0.35, device='cpu'))
    assert metrics['frames'] == COUNT - 4
    assert metrics['mae_deg'] == pytest.approx(0, abs=1e-3)
    assert metrics['verdict'] == 'causal'


@pytest.mark.parametrize('away_s', [2.8, 10.0])
def test_a_drive_as_short_as_the_way_to_the_other_map(drive, vehicle, away_s):
    """A whole turn would give each of the 56 frames, 2.8 s, its own map."""
    checkpoint = Checkpoint(network('contents'), Preprocessing().to_mapping(), vehicle)
    config = LeakConfig(away_s=away_s, device='cpu')
    assert leak_test(checkpoint, [drive], config)['moved_deg_by_another_map'] > 1


def test_attention_that_underflows(drive, vehicle):
    made = network('contents')
    made.attention.to_score.weight[0, 0] = 1000.0
    metrics = leak_of(made, drive, vehicle)
    assert metrics['verdict'] == 'causal'


@pytest.mark.parametrize('attention', ['sign', 'none_quant'])
def test_a_map_that_changes_nothing_is_inert(drive, vehicle, attention):
    metrics = leak_of(network('contents', attention), drive, vehicle)
    assert metrics['moved_deg_by_another_map'] == 0
    assert metrics['verdict'] == 'inert'


def test_the_command_prints_its_verdict(write_model, write_drive, tmp_path, capsys):
    drive = write_drive(np.linspace(-0.01, 0.01, 30))
    arguments = ['leak', str(write_model()), '--data', str(drive.path), '--out', str(tmp_path)]
    assert main([*arguments, '--device', 'cpu']) == 0
    assert 'inert' in capsys.readouterr().out
    assert json.loads((tmp_path / 'metrics.json').read_text())['verdict'] == 'inert'


def test_a_drive_without_steering_cannot_be_tested(write_model, write_drive, capsys):
    drive = write_drive([np.nan] * 5)
    assert main(['leak', str(write_model()), '--data', str(drive.path)]) == 1
    assert 'must have steering to be trained or scored on' in capsys.readouterr().err


def test_a_trained_checkpoint_can_be_loaded_and_tested(write_drive, vehicle, tmp_path):
    torch.manual_seed(0)
    made = Network(NetworkConfig(hidden=4, attention='gate', dropout=0.0)).eval()
    save(Checkpoint(made, Preprocessing().to_mapping(), vehicle), tmp_path / 'm')
    drive = write_drive(np.linspace(-0.01, 0.01, 30))
    assert main(['leak', str(tmp_path / 'm'), '--data', str(drive.path)]) == 0
