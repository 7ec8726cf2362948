"""Areas that are known on paper, and a plain loop over frames and levels beside them."""

import dataclasses
import math
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch

from signattn.deletion import Curves, DeletionConfig, clean_pass, curves
from signattn.deletion.passes import Viewer
from signattn.preprocess import scale

BEND = 0.01  # 1/m; at 10 m/s 0.4 rad at the wheel
WHEEL = math.degrees(0.4)
STEP_NS = 50_000_000
BLACK = DeletionConfig(filling='black', blur_px=0.0)


@pytest.fixture
def left():
    """Weights of a network that says BEND times the brightness of the picture's left half."""
    weights = np.zeros((10, 20))
    weights[:, :10] = BEND / 100
    return weights


@pytest.fixture
def bright(write_drive):
    """Gives a function that writes a drive of white pictures."""

    def make(curvature, **options):
        frames = np.zeros((len(curvature), 80, 160, 3), np.uint8)
        frames[..., 2] = 255
        return write_drive(curvature, frames=frames, **options)

    return make


def halves(count, first='left'):
    """Maps that mark one half of the picture."""
    saliency = np.zeros((count, 80, 160))
    saliency[:, :, slice(0, 80) if first == 'left' else slice(80, 160)] = 1.0
    return saliency


# By hand. Masking the left half first, p percent take p/50 of the answer away.


def test_areas_by_hand(adding, left, bright):
    drive = bright([BEND, 0.0])
    found = curves(adding(left), drive, halves(2), BLACK)
    levels = np.arange(26)
    np.testing.assert_allclose(found.clean_deg, WHEEL, rtol=1e-5)
    np.testing.assert_allclose(found.truth_deg, [WHEEL, 0.0])
    np.testing.assert_allclose(found.theta_deg[:, 0], WHEEL * (1 - levels / 50), rtol=1e-5)
    np.testing.assert_allclose(found.moved_deg, WHEEL * levels / 50, rtol=1e-5, atol=1e-5)
    # What one frame's error gains the other's loses.
    np.testing.assert_allclose(found.mae_deg, WHEEL / 2, rtol=1e-5)
    triangle = WHEEL * 25**2 / 2 / 50
    np.testing.assert_allclose(found.fidelity_areas(), triangle, rtol=1e-5)
    np.testing.assert_allclose(found.excess_areas(), [triangle, -triangle], rtol=1e-5)
    np.testing.assert_allclose(found.raw_areas(), [triangle, 25 * WHEEL - triangle], rtol=1e-5)
    assert found.metrics() == {
        'excess_area_deg_percent': pytest.approx(0, abs=1e-3),
        'fidelity_area_deg_percent': pytest.approx(triangle, rel=1e-5),
        'auc_deg_percent': pytest.approx(25 * WHEEL / 2, rel=1e-5),
    }


def test_what_the_network_does_not_see_moves_nothing(adding, left, bright):
    found = curves(adding(left), bright([BEND]), halves(1, 'right'), BLACK)
    np.testing.assert_array_equal(found.theta_deg - found.clean_deg, 0)


def test_the_whole_way_in_steps_of_five(adding, left, bright):
    config = dataclasses.replace(BLACK, levels=tuple(range(0, 101, 5)))
    found = curves(adding(left), bright([BEND]), halves(1), config)
    share = np.minimum(np.arange(0, 101, 5) / 50, 1)
    np.testing.assert_allclose(found.moved_deg, WHEEL * share, rtol=1e-5, atol=1e-5)
    # A triangle up to 50 %, then a rectangle.
    assert found.fidelity_areas()[0] == pytest.approx(WHEEL * 75, rel=1e-5)


def test_insertion_by_hand(adding, left, bright):
    """Shown first is what the network looks at: from nothing to p/50 of the answer."""
    config = dataclasses.replace(BLACK, mode='insertion', levels=(0, 10, 25))
    found = curves(adding(left), bright([BEND]), halves(1), config)
    np.testing.assert_allclose(found.clean_deg, WHEEL, rtol=1e-5)
    np.testing.assert_allclose(found.theta_deg[:, 0], WHEEL * np.array([0, 0.2, 0.5]), atol=1e-4)
    # 0…10 at 1 to 0.8 of the way, 10…25 at 0.8 to 0.5.
    area = WHEEL * (10 * 0.9 + 15 * 0.65)
    np.testing.assert_allclose(found.fidelity_areas(), area, rtol=1e-5)
    np.testing.assert_allclose(found.excess_areas(), area, rtol=1e-5)


def test_levels_need_not_begin_with_the_whole_picture(adding, left, bright):
    config = dataclasses.replace(BLACK, levels=(10, 20))
    found = curves(adding(left), bright([BEND]), halves(1), config)
    np.testing.assert_allclose(found.clean_deg, WHEEL, rtol=1e-5)
    np.testing.assert_allclose(found.moved_deg, [0.2 * WHEEL, 0.4 * WHEEL], rtol=1e-5)


def test_the_mean_of_a_white_picture_is_white(adding, left, bright):
    drive = bright([BEND])
    for filling in ('mean', 'blurred'):
        config = dataclasses.replace(BLACK, filling=filling)
        found = curves(adding(left), drive, halves(1), config)
        np.testing.assert_allclose(found.moved_deg, 0, atol=1e-5)


def test_cells_are_replaced_by_the_drives_mean_feature(adding, left, write_drive):
    """Of a white and a black picture it is ½: cells of the left half give half of theirs."""
    frames = np.zeros((2, 80, 160, 3), np.uint8)
    frames[0, ..., 2] = 255
    drive = write_drive([BEND, 0.0], frames=frames)
    config = dataclasses.replace(BLACK, space='cells', levels=(0, 10, 20))
    share = np.array([0, 0.1, 0.2])  # of the left half's cells, times ½
    for regime in ('frame', 'stream'):
        chosen = dataclasses.replace(config, regime=regime, skip_s=0.0)
        found = curves(adding(left), drive, halves(2), chosen)
        np.testing.assert_allclose(found.theta_deg[:, 0], WHEEL * (1 - share), rtol=1e-5)
        np.testing.assert_allclose(found.theta_deg[:, 1], WHEEL * share, rtol=1e-5, atol=1e-5)


def test_degrees_are_those_of_the_frames_own_speed(adding, left, bright):
    # At 20 m/s 1 rad for 0.01 1/m.
    found = curves(adding(left), bright([BEND] * 2, speed=[10.0, 20.0]), halves(2), BLACK)
    np.testing.assert_allclose(found.clean_deg, np.degrees([0.4, 1.0]), rtol=1e-5)
    assert found.fidelity_areas()[1] == pytest.approx(2.5 * found.fidelity_areas()[0])


# The two regimes. With memory h = ½ tanh(tanh(mean V of the first frame)) from the second on.


@pytest.mark.parametrize('regime', ['frame', 'stream'])
def test_the_state_is_the_clean_one_or_the_masked_streams(adding, left, bright, regime):
    """26 levels, two groups of a stream; 20 frames, two windows."""
    drive = bright([BEND] * 20)
    config = dataclasses.replace(BLACK, regime=regime, skip_s=0.0)
    found = curves(adding(left, memory=True), drive, halves(20), config)
    masked = np.arange(26) / 100  # of the picture
    first = 1 - masked if regime == 'stream' else np.ones(26)
    gate = 2 / (1 + np.exp(-8 * 0.5 * np.tanh(np.tanh(first))))
    shown = WHEEL * (1 - 2 * masked)
    np.testing.assert_allclose(found.theta_deg[:, 0], shown, rtol=1e-5)
    for t in range(1, 20):
        np.testing.assert_allclose(found.theta_deg[:, t], gate * shown, rtol=1e-5)


def test_a_stream_leaves_out_what_is_behind_a_beginning(adding, left, bright):
    # 45 frames, a gap, 42 frames: of the first 2.25 s six count (2.0 s on), of 2.1 s three, less
    # one stamp that is 1 ns early.
    stamps = np.concatenate([np.arange(45), 100 + np.arange(42)]) * STEP_NS
    stamps[45 + 40] -= 1
    drive = bright([BEND] * 87, stamps_ns=stamps)
    config = dataclasses.replace(BLACK, levels=(0, 20), regime='stream')
    found = curves(adding(left, memory=True), drive, halves(87), config)
    assert found.frames.tolist() == [40, 41, 42, 43, 44, 86]
    assert found.theta_deg.shape == (2, 6)
    assert len(found.truth_deg) == len(found.clean_deg) == len(found.fidelity_areas()) == 6


def test_behind_a_gap_the_state_begins_afresh(adding, left, write_drive):
    frames = np.zeros((6, 80, 160, 3), np.uint8)
    frames[3:, ..., 2] = 255
    stamps = np.array([0, 1, 2, 100, 101, 102]) * STEP_NS
    drive = write_drive([0.0] * 6, frames=frames, stamps_ns=stamps)
    whole = [0, 0, 0, WHEEL] + [2 * WHEEL / (1 + math.exp(-4 * math.tanh(math.tanh(1))))] * 2
    for regime in ('frame', 'stream'):
        config = dataclasses.replace(BLACK, levels=(0, 20), regime=regime, skip_s=0.0)
        found = curves(adding(left, memory=True), drive, halves(6), config)
        np.testing.assert_allclose(found.clean_deg, whole, rtol=1e-5, atol=1e-5)


# What can't be measured


def test_frames_without_speed_are_left_out_those_without_truth_are_kept(adding, left, bright):
    speed = np.array([10.0, np.nan, 10.0])
    drive = bright([BEND, BEND, np.nan], speed=speed)
    found = curves(adding(left), drive, halves(3), BLACK)
    assert found.frames.tolist() == [0, 2]
    assert np.isfinite(found.fidelity_areas()).all()
    assert np.isfinite(found.excess_areas()).tolist() == [True, False]
    assert found.metrics()['excess_area_deg_percent'] == pytest.approx(WHEEL * 6.25, rel=1e-5)
    assert np.isfinite(found.mae_deg).all()


def test_without_any_truth_what_needs_it_is_unknown(adding, left, bright):
    found = curves(adding(left), bright([np.nan] * 2), halves(2), BLACK)
    metrics = found.metrics()
    assert metrics['excess_area_deg_percent'] is metrics['auc_deg_percent'] is None
    assert metrics['fidelity_area_deg_percent'] == pytest.approx(WHEEL * 6.25, rel=1e-5)
    assert np.isnan(found.mae_deg).all()


def test_what_lies_ahead_is_scored_then(adding, left, bright):
    """The bend and the speed of 0.1 s later, which the last two frames don't have."""
    drive = bright([0, 0, BEND, 0], speed=[10.0, 10.0, 20.0, 20.0])
    found = curves(adding(left), drive, halves(4), BLACK, lead_s=0.1)
    assert found.frames.tolist() == [0, 1]
    np.testing.assert_allclose(found.clean_deg, np.degrees([1.0, 1.0]), rtol=1e-5)
    np.testing.assert_allclose(found.truth_deg, np.degrees([1.0, 0.0]), atol=1e-9)


def test_a_drive_without_speed_is_refused(adding, left, bright):
    drive = bright([BEND], speed=np.nan)
    with pytest.raises(ValueError, match=r'must hold a frame with a known speed, got none$'):
        curves(adding(left), drive, halves(1), BLACK)
    config = dataclasses.replace(BLACK, regime='stream')
    short = bright([BEND], name='short')
    with pytest.raises(ValueError, match=r'a known speed 2\.0 s behind its beginning, got none$'):
        curves(adding(left), short, halves(1), config)


@pytest.mark.parametrize('saliency', [halves(2), halves(3)[:, :, 1:]])
def test_there_is_a_map_for_each_frame(adding, left, bright, saliency):
    with pytest.raises(ValueError, match=r'^saliency must be \(3, 80, 160\), one for each'):
        curves(adding(left), bright([BEND] * 3), saliency, BLACK)


@pytest.mark.parametrize('value', [-1.0, np.nan, np.inf])
def test_maps_are_finite_and_not_negative(adding, left, bright, value):
    saliency = halves(3)
    saliency[1, 0, 0] = value
    expected = r'^saliency must be finite and at least 0, got other values in map 1: take'
    with pytest.raises(ValueError, match=expected):
        curves(adding(left), bright([BEND] * 3), saliency, BLACK)


@pytest.mark.parametrize('frames', [[1, 0], [1, 1], [0, 3], [-1, 0], [[0, 1]]])
def test_frames_are_places_in_the_drive(adding, left, bright, frames):
    with pytest.raises(ValueError, match=r'^frames must be rising and within 0\.\.2, got '):
        curves(adding(left), bright([BEND] * 3), halves(2), BLACK, frames=np.array(frames))


def test_a_stream_has_all_frames(adding, left, bright):
    config = dataclasses.replace(BLACK, regime='stream')
    with pytest.raises(ValueError, match=r'^frames must be all with regime stream, got some'):
        curves(adding(left), bright([BEND] * 3), halves(1), config, frames=np.array([1]))


def test_a_network_in_training_is_refused(adding, left, bright):
    with pytest.raises(ValueError, match=r'^network must be in evaluation mode, got one in train'):
        curves(adding(left).train(), bright([BEND]), halves(1), BLACK)


# Against a plain loop, one frame and one level at a time


def plain_filling(frame, filling):
    """In RGB, then to HSV."""
    rgb = cv2.cvtColor(frame, cv2.COLOR_HSV2RGB)
    if filling == 'black':
        filled = np.zeros_like(rgb)
    elif filling == 'mean':
        filled = np.full_like(rgb, np.rint(rgb.mean((0, 1))))
    else:
        blurred = cv2.GaussianBlur(
            rgb.astype(np.float32), (0, 0), 8, borderType=cv2.BORDER_REFLECT
        )
        filled = np.rint(blurred).astype(np.uint8)
    return cv2.cvtColor(filled, cv2.COLOR_RGB2HSV)


def plain_masked(drive, t, saliency, level, config):
    frame = drive.frames[t]
    soft = cv2.GaussianBlur(saliency, (0, 0), 4, borderType=cv2.BORDER_REFLECT)
    first = np.argsort(-soft, axis=None)[: round(level * 128)]
    replaced = np.zeros(12_800, bool)
    replaced[first] = True
    if config.mode == 'insertion':
        replaced = ~replaced
    picture = frame.copy()
    where = replaced.reshape(80, 160)
    if config.filling == 'donor':  # a third of the drive back
        filled = drive.frames[(t - len(drive) // 3) % len(drive)]
    else:
        filled = plain_filling(frame, config.filling)
    picture[where] = filled[where]
    return torch.from_numpy(scale(picture))[None, None]


def plain_loop(network, drive, saliency, config):
    """Curvature (K, N) of a drive without gaps, and the discrete features that it rests on."""
    answers, steps = np.empty((len(config.levels), len(drive))), {}
    with torch.no_grad():
        for row, level in enumerate(config.levels):
            state = clean_state = None
            for t, frame in enumerate(drive.frames):
                shown = plain_masked(drive, t, saliency[t], level, config)
                if config.regime == 'frame':
                    whole = torch.from_numpy(scale(frame))[None, None]
                    if t == 0:
                        first = network.encoder(whole[0])
                        nothing = network.answer(first[None]).before
                        state = (nothing[0][:, 0], nothing[1][:, 0])
                    else:
                        state = clean_state
                    clean_state = network(whole, state).state
                output = network(shown, state)
                answers[row, t] = output.curvature
                state = output.state
                steps[row, t] = discrete(network, network.encoder(shown[0]))
    return answers, steps


def discrete(network, features):
    """Signs and levels (L, 2·C) of a frame's features (1, L, D)."""
    signed, amplitude = network.split(features)
    return torch.cat([signed >= 0, (amplitude * 1e4).round()], -1)[0].numpy()


def recorded(monkeypatch):
    """The features of all pictures that are shown from now on."""
    seen, encode = [], Viewer.encode

    def spy(self, pictures):
        seen.append(encode(self, pictures))
        return seen[-1]

    monkeypatch.setattr(Viewer, 'encode', spy)
    return seen


KINDS = [
    {'attention': 'sign'},
    {'attention': 'sign', 'encoder_norm': 'batch', 'split': 'shared'},
    {'attention': 'none_quant'},
    {'attention': 'none_float', 'encoder_norm': 'batch'},
    {'attention': 'soft32', 'score': 'bounded'},
    {'attention': 'soft', 'head': 'kim'},
    {'attention': 'topk', 'budget': 60, 'score': 'bounded_per_cell'},
    {'attention': 'stochastic'},
]
ROUTES = [
    ('frame', 'deletion', 'blurred'),
    ('stream', 'deletion', 'mean'),
    ('frame', 'insertion', 'black'),
    ('stream', 'insertion', 'blurred'),
    ('frame', 'deletion', 'donor'),
    ('stream', 'insertion', 'donor'),
]


@pytest.mark.parametrize(
    'options', KINDS, ids=lambda options: '-'.join(map(str, options.values()))
)
@pytest.mark.parametrize('route', ROUTES, ids='-'.join)
def test_it_equals_a_plain_loop(
    random_network, pictures, write_drive, monkeypatch, options, route
):
    regime, mode, filling = route
    network, drive = random_network(**options), write_drive([0.0] * 5, frames=pictures(5))
    saliency = np.random.default_rng(1).random((5, 80, 160))
    config = DeletionConfig(
        levels=(0, 10, 60, 100), regime=regime, mode=mode, filling=filling, skip_s=0.0
    )
    expected, steps = plain_loop(network, drive, saliency, config)
    seen = recorded(monkeypatch)
    clean = clean_pass(network, drive)
    whole = torch.cat(seen)
    seen.clear()
    found = curves(network, drive, saliency, config, clean=clean)
    monkeypatch.undo()
    if regime == 'frame':  # the clean pass has shown the whole pictures
        at = config.rows().index(config.clean_level)
        seen = [torch.cat([shown[:at], whole[[t]], shown[at:]]) for t, shown in enumerate(seen)]
    assert np.ptp(expected) > 1e-3 * np.abs(expected).max()  # there is something to see
    flipped = np.zeros(expected.shape)
    if options['attention'] not in ('none_float', 'soft32', 'soft'):
        flipped = flips(network, seen, steps, regime)
    assert flipped.max() <= 1e-3  # a few of 12,800 or 25,600 signs and levels
    same = flipped == 0
    assert same.any()
    apart = np.abs(np.radians(found.theta_deg) / 40 - expected)  # 1/m at 10 m/s
    assert apart[same].max() <= 1e-5 * np.abs(expected).max()


def flips(network, seen, steps, regime):
    """(K, N) share of the signs and levels that differ from the plain loop's, now and before."""
    levels, count = 1 + max(row for row, _ in steps), 1 + max(t for _, t in steps)
    flipped = np.zeros((levels, count))
    for t, features in enumerate(seen[:count]):
        for row in range(levels):
            ours = discrete(network, features[row][None])
            flipped[row, t] = (ours != steps[row, t]).mean()
    return np.cumsum(flipped, 1) if regime == 'stream' else flipped


# Whoever computes it, and in whatever pieces


@pytest.mark.parametrize('chunk', [1, 3, 7])
def test_the_size_of_chunks_changes_nothing(random_network, pictures, write_drive, chunk):
    network, drive = random_network(), write_drive([0.0] * 7, frames=pictures(7))
    saliency = np.random.default_rng(1).random((7, 80, 160))
    config = DeletionConfig(levels=(0, 10, 25))
    whole = curves(network, drive, saliency, config)
    parts = curves(network, drive, saliency, dataclasses.replace(config, chunk=chunk))
    assert_same(whole, parts)


def test_some_frames_are_answered_as_all_are(random_network, pictures, write_drive):
    network, drive = random_network(), write_drive([0.0] * 7, frames=pictures(7))
    saliency = np.round(3 * np.random.default_rng(1).random((7, 80, 160)))  # with ties
    config, some = DeletionConfig(levels=(0, 10, 25), blur_px=0.0), np.array([1, 4, 5])
    whole = curves(network, drive, saliency, config)
    part = curves(network, drive, saliency[some], config, frames=some)
    assert part.frames.tolist() == [1, 4, 5]
    np.testing.assert_array_equal(part.theta_deg, whole.theta_deg[:, some])


def test_the_number_of_threads_and_processes_changes_nothing(
    random_network, pictures, write_drive
):
    stamps = np.array([0, 1, 2, 3, 100, 101, 102]) * STEP_NS
    drive = write_drive([0.0] * 7, frames=pictures(7), stamps_ns=stamps)
    network = random_network(encoder_norm='batch')
    maps = np.random.default_rng(1).random((7, 80, 160))
    cases = [
        DeletionConfig(levels=(0, 10, 25), regime=regime, space=space, skip_s=0.0, chunk=2)
        for regime, space in (('frame', 'pixels'), ('stream', 'cells'))
    ]
    alone = [curves(network, drive, maps, case) for case in cases]
    context = multiprocessing.get_context('spawn')
    with ThreadPoolExecutor(2) as threads, ProcessPoolExecutor(2, context) as processes:
        for case, expected in zip(cases, alone, strict=True):
            for executor in (threads, processes):
                assert_same(expected, curves(network, drive, maps, case, executor=executor))


def test_nothing_is_modified(random_network, pictures, write_drive):
    network, drive = random_network(), write_drive([0.0] * 3, frames=pictures(3))
    saliency = np.random.default_rng(1).random((3, 80, 160))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    frames, maps, threads = np.array(drive.frames), saliency.copy(), torch.get_num_threads()
    curves(network, drive, saliency, DeletionConfig(levels=(0, 10)))
    np.testing.assert_array_equal(drive.frames, frames)
    np.testing.assert_array_equal(saliency, maps)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert torch.get_num_threads() == threads
    assert torch.is_grad_enabled()


def assert_same(one, other):
    for field in dataclasses.fields(Curves):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))
