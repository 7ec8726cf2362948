"""Scores by hand: networks whose answer is known on paper."""

import csv
import math
import re
from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch import nn

from signattn import evaluate as module
from signattn.drive import DriveError, Split
from signattn.evaluate import (
    EvaluateConfig,
    Scored,
    block_interval,
    evaluate,
    predict,
    score,
    write_predictions,
)
from signattn.model import Checkpoint, Network, NetworkConfig, Output
from signattn.preprocess import Preprocessing
from signattn.stream import Engine

NAN = math.nan
STEP_NS = 50_000_000
PLAIN = EvaluateConfig(windows=False)


class Formula(nn.Module):
    """A network with a formula for an answer.

    Of each frame it sees v, the brightness of the first pixel in 0..255, and it remembers the v
    before (0 at first) and how many frames there were: answer(v, v before, frames before) in 1/m.
    """

    def __init__(self, answer):
        super().__init__()
        self.answer = answer
        self.register_buffer('curvature_scale', torch.tensor(1.0))
        self.eval()

    def forward(self, frames, state=None):
        h, c = state if state is not None else (torch.zeros(len(frames)),) * 2
        answers = []
        for v in (255 * frames[:, :, 2, 0, 0]).round().unbind(1):
            answers.append(self.answer(v, h, c) + 0 * v)
            h, c = v, c + 1
        maps = torch.zeros(*frames.shape[:2], 10, 20)
        return Output(torch.stack(answers, 1), maps, (h, c), maps, (h, c))


def constant(curvature):
    return Formula(lambda _v, _before, _count: torch.tensor(curvature))


def numbered(count):
    """Frames whose brightness is their number."""
    return np.broadcast_to(np.arange(count)[:, None, None, None], (count, 80, 160, 3)).astype('u1')


@pytest.fixture
def checkpoint(vehicle):
    """Gives a function that makes a checkpoint of a network."""

    def make(network, training=None, preprocessing=None):
        mapping = (preprocessing or Preprocessing()).to_mapping()
        return Checkpoint(network, mapping, vehicle, training or {}, name='paper network')

    return make


# The error, at 10 m/s 40 rad at the wheel for each 1/m


def test_errors_by_hand(write_drive, checkpoint):
    drive = write_drive([0.01, -0.01, 0.02, NAN])
    metrics, scored = evaluate(checkpoint(constant(0.01)), [drive], PLAIN)
    assert metrics == {
        'frames': 3,
        'mae_deg': pytest.approx(math.degrees((0 + 0.8 + 0.4) / 3)),
        'mae_deg_low': None,  # one block only
        'mae_deg_high': None,
        'mae_deg_zero': pytest.approx(math.degrees((0.4 + 0.4 + 0.8) / 3)),
        'mae_deg_previous': pytest.approx(math.degrees((0.8 + 1.2) / 2)),
        'mae_per_m': pytest.approx((0 + 0.02 + 0.01) / 3),
        'seen_in_training': False,
    }
    np.testing.assert_allclose(scored[0].curvature, [0.01] * 4)
    assert scored[0].part.tolist() == [True, True, True, False]


def test_degrees_depend_on_the_frames_own_speed(write_drive, checkpoint):
    # 0.01 1/m is 0.4 rad at 10 m/s, and 20 · (1 + 0.01 · 400) · 0.01 = 1 rad at 20 m/s.
    drive = write_drive([0.0, 0.0], speed=[10.0, 20.0])
    metrics, _ = evaluate(checkpoint(constant(0.01)), [drive], PLAIN)
    assert metrics['mae_deg'] == pytest.approx(math.degrees(0.7))
    assert metrics['mae_per_m'] == pytest.approx(0.01)


def test_the_raw_label_counts_not_the_smoothed(write_drive, checkpoint):
    drive = write_drive([0.01, 0.01])
    drive.samples['curvature_smooth'] = drive.samples['steering_angle_smooth'] = 7.0
    assert evaluate(checkpoint(constant(0.01)), [drive], PLAIN)[0]['mae_deg'] < 1e-4


def test_the_label_before_is_not_that_behind_a_gap(write_drive, checkpoint):
    stamps = [0, STEP_NS, 2_000_000_000, 2_000_000_000 + STEP_NS]
    drive = write_drive([0.0, 0.01, 0.05, 0.08], stamps_ns=stamps)
    metrics, _ = evaluate(checkpoint(constant(0.0)), [drive], PLAIN)
    assert metrics['mae_deg_previous'] == pytest.approx(math.degrees((0.4 + 1.2) / 2))


def test_a_lone_label_has_none_before(write_drive, checkpoint):
    drive = write_drive([NAN, 0.01, NAN])
    metrics, _ = evaluate(checkpoint(constant(0.0)), [drive], PLAIN)
    assert metrics['mae_deg_previous'] is None
    assert metrics['mae_deg'] == pytest.approx(math.degrees(0.4))


def test_frames_of_all_drives_weigh_the_same(write_drive, checkpoint):
    drives = [write_drive([0.01], name='a'), write_drive([0.0, 0.0, 0.0], name='b')]
    metrics, _ = evaluate(checkpoint(constant(0.01)), drives, PLAIN)
    assert metrics['frames'] == 4
    assert metrics['mae_deg'] == pytest.approx(math.degrees(3 * 0.4 / 4))
    interval = metrics['mae_deg_low'], metrics['mae_deg_high']  # one drive's or the other's
    assert interval == pytest.approx((0, math.degrees(0.4)), abs=1e-5)


# The interval


def test_the_interval_of_equal_blocks_is_a_point():
    assert block_interval(np.full(6, 2.0), np.repeat([0.0, 1, 2], 2), 0) == (2.0, 2.0)


def test_the_interval_draws_whole_blocks():
    # Of two blocks, with means 0 and 3, the draws are 0, 1.5 or 3, and each end comes with 1/4.
    errors, blocks = np.array([0.0, 0, 3, 3]), np.array([0.0, 0, 1, 1])
    assert block_interval(errors, blocks, 0) == (0.0, 3.0)
    assert block_interval(errors, blocks, 0, confidence=0.3) == (1.5, 1.5)


def test_the_interval_encloses_the_mean_and_repeats():
    errors = np.random.default_rng(1).exponential(1.0, 300)
    blocks = np.repeat(np.arange(30.0), 10)
    low, high = block_interval(errors, blocks, 5)
    assert low < errors.mean() < high
    assert high - low < 0.5  # 4 · 1/√300 = 0.23
    assert block_interval(errors, blocks, 5) == (low, high)


def test_one_block_has_no_interval():
    assert block_interval(np.ones(3), np.zeros(3), 0) == (None, None)


def test_blocks_are_as_long_as_they_are_asked_for(write_drive):
    drive = write_drive([0.0, 0.01] * 20)  # 2 s
    item = Scored(drive, np.ones(40, bool), np.zeros(40))
    assert score([item], EvaluateConfig(block_s=2.0))['mae_deg_low'] is None
    low = score([item], EvaluateConfig(block_s=0.5))['mae_deg_low']
    assert low == pytest.approx(math.degrees(0.2))  # the blocks are all alike


def test_more_networks_on_one_drive_are_no_more_blocks(write_drive):
    drive = write_drive([0.0, 0.002] * 10 + [0.01, 0.03] * 10)
    item = Scored(drive, np.ones(40, bool), np.zeros(40))
    config = EvaluateConfig(block_s=0.5)
    once, thrice = score([item], config), score([item] * 3, config)
    assert thrice['frames'] == 3 * once['frames']
    for key in ('mae_deg', 'mae_deg_low', 'mae_deg_high'):
        assert thrice[key] == pytest.approx(once[key])


# Part


def training(drive, split):
    checksum = drive.description['checksums']['frames_sha256']
    return {'split': asdict(split), 'drives': [{'frames_sha256': checksum}]}


def moving(count):
    """A texture that moves 2 px to the right with each frame."""
    texture = np.random.default_rng(0).integers(0, 256, (80, 160, 3), np.uint8)
    return np.stack([np.roll(texture, 2 * i, axis=1) for i in range(count)])


def test_apart_scores_the_frames_kept_apart_only(write_drive, checkpoint):
    # 20 frames to 0.95 s; the last fifth, from 0.76 s on, are the frames 16 to 19.
    drive = write_drive([0.0] * 16 + [0.01] * 4, frames=moving(20))
    split = Split('end', fraction=0.2, purge_s=0.1)
    model = checkpoint(constant(0.0), training(drive, split))
    config = EvaluateConfig('apart', windows=False)
    metrics, scored = evaluate(model, [drive], config)
    assert np.flatnonzero(scored[0].part).tolist() == [16, 17, 18, 19]
    assert metrics['frames'] == 4
    assert metrics['mae_per_m'] == pytest.approx(0.01)
    assert metrics['seen_in_training'] is False
    # The rival learned from what it may see, which was straight on.
    assert metrics['mae_deg_motion'] == pytest.approx(math.degrees(0.4))
    metrics, _ = evaluate(model, [drive], PLAIN)
    assert metrics['frames'] == 20
    assert metrics['seen_in_training'] is True
    assert 'mae_deg_motion' not in metrics


def test_the_rival_reads_the_motion_of_the_picture(write_drive, checkpoint):
    # 2 px each 0.5 m, always with 0.01 1/m: one weight is right, but for the first frame.
    drive = write_drive([0.01] * 20, frames=moving(20))
    split = Split('end', fraction=0.2, purge_s=0.1)
    model = checkpoint(constant(0.0), training(drive, split))
    metrics, _ = evaluate(model, [drive], EvaluateConfig('apart', windows=False))
    assert metrics['mae_deg_motion'] < 0.1 * metrics['mae_deg_zero']


def test_apart_is_of_the_drives_trained_on(write_drive, checkpoint):
    drive, other = write_drive([0.0] * 20), write_drive([0.0] * 20, name='other')
    model = checkpoint(constant(0.0), training(drive, Split()))
    other.frames_sha256 = 'another'
    with pytest.raises(DriveError, match=f'^{other.path} must be a drive that .* was trained on'):
        evaluate(model, [other], EvaluateConfig('apart'))


@pytest.mark.parametrize('recorded', [{}, {'split': asdict(Split('none'))}])
def test_apart_needs_a_split(write_drive, checkpoint, recorded):
    text = (
        'paper network must have kept a part apart in training to be scored on it, got split '
        f'{recorded.get("split")}: score all frames of a drive that it has not seen'
    )
    with pytest.raises(DriveError, match=f'^{re.escape(text)}$'):
        evaluate(
            checkpoint(constant(0.0), recorded), [write_drive([0.0])], EvaluateConfig('apart')
        )


def test_a_part_without_labels(write_drive, checkpoint):
    drive = write_drive([0.01] * 10 + [NAN] * 10)
    model = checkpoint(constant(0.0), training(drive, Split('end', fraction=0.2)))
    text = f'^{drive.path}: the part to score must hold a label, got none$'
    with pytest.raises(DriveError, match=text):
        evaluate(model, [drive], EvaluateConfig('apart'))


def test_a_drive_without_steering(write_drive, checkpoint):
    drive = write_drive([NAN, NAN])
    text = f'^{drive.path} must have steering to be trained or scored on, got none'
    with pytest.raises(DriveError, match=text):
        evaluate(checkpoint(constant(0.0)), [drive])


@pytest.mark.parametrize(
    ('ours', 'text'),
    [
        (Preprocessing(crop_top=0.25), 'crop_top must be 0.25 as in the training of'),
        (Preprocessing(rate_hz=10.0), 'rate_hz must be 10.0 as in the training of'),
        (Preprocessing(reduced=True), 'reduced must be True as in the training of'),
    ],
)
def test_a_drive_made_in_another_way(write_drive, checkpoint, ours, text):
    drive = write_drive([0.01])
    with pytest.raises(
        DriveError, match=rf'^{drive.path}: {text} paper network, got .*: convert the recording'
    ):
        evaluate(checkpoint(constant(0.0), preprocessing=ours), [drive])


def test_a_drive_decoded_at_a_fraction(write_drive, checkpoint):
    drive = write_drive([0.01], preprocessing=Preprocessing(reduced=True))
    text = f'^{drive.path}: reduced must be False as in the training of paper network, got True: '
    with pytest.raises(DriveError, match=text):
        evaluate(checkpoint(constant(0.0)), [drive])


def test_another_aspect_ratio_is_no_refusal(write_drive, checkpoint):
    drive = write_drive([0.01], preprocessing=Preprocessing(aspect_ratio=1.5))
    evaluate(checkpoint(constant(0.0), preprocessing=Preprocessing(aspect_ratio=2.0)), [drive])


# Windows in order, frozen, shuffled


def test_windows_are_also_scored_frozen_and_shuffled(write_drive, checkpoint):
    # The answer is the v before: in order 18 at the end 19, and 28 at 29; frozen 19 and 29.
    network = Formula(lambda _v, before, _count: 0.001 * before)
    drive = write_drive([0.0] * 30, frames=numbered(30))
    metrics, _ = evaluate(checkpoint(network), [drive])
    assert metrics['mae_deg_ordered'] == pytest.approx(math.degrees(0.04 * 23))
    assert metrics['mae_deg_frozen'] == pytest.approx(math.degrees(0.04 * 24))
    shuffled = math.radians(metrics['mae_deg_shuffled']) / 0.04
    assert 5 <= shuffled < 23  # 0 ≤ first ≤ 18, 10 ≤ second ≤ 28
    assert 2 * shuffled == pytest.approx(round(2 * shuffled), abs=1e-3)


def test_every_window_ends_with_its_own_frame(write_drive, checkpoint):
    network = Formula(lambda v, _before, _count: 0.001 * v)
    drive = write_drive(0.001 * np.arange(40), frames=numbered(40))
    metrics, _ = evaluate(checkpoint(network), [drive])
    for name in ('ordered', 'frozen', 'shuffled'):
        assert metrics[f'mae_deg_{name}'] == pytest.approx(0, abs=1e-4)


def test_a_drive_too_short_for_windows_is_scored_without(write_drive, checkpoint):
    metrics, _ = evaluate(checkpoint(constant(0.0)), [write_drive([0.01] * 19)])
    assert 'mae_deg_ordered' not in metrics


# Predictions


@pytest.mark.parametrize('chunk', [1, 3, 64])
def test_the_state_is_carried_over_chunks_and_not_over_gaps(write_drive, monkeypatch, chunk):
    monkeypatch.setattr(module, '_CHUNK', chunk)
    stamps = np.arange(9) * STEP_NS + (np.arange(9) >= 5) * 1_000_000_000
    drive = write_drive([0.0] * 9, frames=numbered(9), stamps_ns=stamps)
    network = Formula(lambda v, before, count: v + 0.5 * before + 100 * count)
    expected = [0, 101, 202.5, 304, 405.5, 5, 108.5, 210, 311.5]
    np.testing.assert_allclose(predict(network, drive), expected)


def test_predictions_are_those_of_the_stream(write_drive, checkpoint, monkeypatch):
    monkeypatch.setattr(module, '_CHUNK', 4)
    torch.manual_seed(0)
    network = Network(NetworkConfig(hidden=8)).eval()
    frames = np.random.default_rng(0).integers(0, 180, (10, 80, 160, 3), np.uint8)
    drive = write_drive([0.0] * 10, frames=frames)
    engine = Engine(checkpoint(network), 'cpu')
    streamed = [engine.step_frame(frame).curvature for frame in drive.frames]
    np.testing.assert_allclose(predict(network, drive), streamed, rtol=0, atol=1e-5)
    assert np.std(streamed) > 1e-3


# Files


def test_predictions_are_a_row_for_every_frame(write_drive, tmp_path):
    drive = write_drive([0.01, NAN], stamps_ns=[5, 7])
    scored = Scored(drive, np.array([True, False]), np.array([0.5, -0.25]))
    write_predictions(tmp_path / 'predictions.csv', [scored])
    first, second = csv.DictReader((tmp_path / 'predictions.csv').read_text().splitlines())
    assert first == {
        'drive': 'drive',
        'stamp_ns': '5',
        'steering_angle': '0.4',
        'curvature': '0.01',
        'predicted_curvature': '0.5',
        'counts': '1',
    }
    assert (second['curvature'], second['predicted_curvature']) == ('nan', '-0.25')
    assert second['counts'] == '0'
