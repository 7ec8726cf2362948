"""The engine of the vehicle: frame by frame what the network says to the whole window."""

import itertools
import math
import threading

import numpy as np
import pytest
import torch

from signattn.drive import stretches
from signattn.model import Checkpoint, Network, NetworkConfig, save
from signattn.preprocess import MAX_GAP_S, ImageError, Preprocessing, network_input, scale
from signattn.stream import Engine
from signattn.vehicle import Vehicle

CROPPED = Preprocessing(crop_top=0.25, rate_hz=10.0)
TOY = Vehicle('toy', 2.0, 10.0, 0.01)
MS = 1_000_000  # ns


def example(**contract):
    torch.manual_seed(0)
    network = Network(NetworkConfig(hidden=4, dropout=0.5, bits=4)).train()
    return Checkpoint(network, CROPPED.to_mapping() | contract, TOY, {'seed': 3}, name='tester')


def pictures(count, height=120, width=160):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


@pytest.fixture
def engine():
    return Engine(example(), 'cpu')


@torch.no_grad()
def test_steps_are_the_networks_with_the_state_carried(engine):
    images, network = pictures(3), example().network.eval()
    state = None
    for image in images:
        frames = torch.from_numpy(scale(network_input(image, CROPPED)[None, None]))
        want = network(frames, state)
        state = want.state
        step = engine.step(image)
        assert step.curvature == pytest.approx(want.curvature.item(), abs=1e-6)
        np.testing.assert_allclose(step.attention, want.attention[0, 0].numpy(), atol=1e-7)


def test_what_a_step_gives(engine):
    step = engine.step(pictures(1)[0])
    assert type(step.curvature) is float
    assert (step.attention.shape, step.attention.dtype) == ((10, 20), np.float32)
    assert step.attention.sum() == pytest.approx(1, abs=1e-5)
    assert math.isfinite(step.curvature)


def test_a_frame_is_a_picture_that_was_converted(engine):
    images, other = pictures(2), Engine(example(), 'cpu')
    for image in images:
        want, got = engine.step(image), other.step_frame(network_input(image, CROPPED))
        assert got.curvature == want.curvature


def test_the_past_matters_until_it_is_forgotten(engine):
    first, second = pictures(2)
    alone = engine.step(second).curvature
    engine.reset()
    engine.step(first)
    assert engine.step(second).curvature != alone
    engine.reset()
    assert engine.step(second).curvature == alone


def test_warming_up_leaves_no_trace(engine):
    image = pictures(1)[0]
    want = engine.step(image).curvature
    engine.warm_up()
    assert engine.step(image).curvature == want


def test_an_unusable_picture_changes_nothing(engine):
    first, second = pictures(2)
    other = Engine(example(), 'cpu')
    for each in (engine, other):
        each.step(first)
    with pytest.raises(ImageError, match=r'^image must be \(H, W, 3\) uint8, got '):
        engine.step(np.zeros((4, 4), np.uint8))
    assert engine.step(second).curvature == other.step(second).curvature


def test_the_picture_is_not_modified(engine):
    image = pictures(1)[0]
    before = image.copy()
    engine.step(image)
    np.testing.assert_array_equal(image, before)


def test_the_models_rate_decides_which_pictures_count(engine):
    # 20 Hz for a network of 10 Hz: every other.
    assert [engine.accepts(t * 50 * MS) for t in range(5)] == [True, False, True, False, True]
    engine.reset()
    assert engine.accepts(230 * MS)


FIRST, SECOND = (0, 'a', 120), (100, 'a', 120)  # ms, frame_id, rows of the picture


@pytest.mark.parametrize(
    ('third', 'reasons'),
    [
        ((600, 'a', 120), []),
        ((601, 'a', 120), ['gap of 0.501 s is longer than max_gap, 0.5 s']),
        ((50, 'a', 120), ['stamp went back by 0.050 s']),
        ((200, 'b', 120), ["frame_id changed from 'a' to 'b'"]),
        ((200, 'a', 60), ['size changed from 120×160 to 60×160']),
    ],
)
def test_what_does_not_continue_the_stream_begins_a_new_one(engine, third, reasons):
    heard, curvatures, images = [], [], pictures(3)
    engine.on_reset = heard.append
    for image, (stamp_ms, frame_id, rows) in zip(images, (FIRST, SECOND, third), strict=True):
        assert engine.accepts(stamp_ms * MS, frame_id)
        curvatures.append(engine.step(image[:rows]).curvature)
    assert heard == reasons
    alone = Engine(example(), 'cpu').step(images[2][: third[2]]).curvature
    assert (curvatures[2] == alone) == bool(reasons)


def test_ticks_begin_anew_with_a_picture_of_another_size(engine):
    # 20 Hz for a network of 10 Hz; the picture at 200 ms is smaller, so 250 ms is too soon.
    image = pictures(1)[0]
    taken = []
    for stamp_ms in range(0, 500, 50):
        if engine.accepts(stamp_ms * MS):
            taken.append(stamp_ms)
            engine.step(image[:60] if stamp_ms >= 200 else image)
    assert taken == [0, 100, 200, 300, 400]


def test_after_a_reset_everything_is_new(engine):
    heard = []
    engine.on_reset = heard.append
    for stamp_ms, rows in ((900, 120), (0, 60)):
        assert engine.accepts(stamp_ms * MS, str(rows))
        engine.step(pictures(1)[0][:rows])
        engine.reset()
    assert heard == []


def test_a_stream_breaks_where_a_drive_does(engine):
    stamps_ms = [0, 100, 200, 701, 801, 700, 800, 1300, 1900]
    starts, heard = [0], []
    engine.on_reset = heard.append
    for index, stamp_ms in enumerate(stamps_ms):
        assert engine.accepts(stamp_ms * MS)
        engine.step(pictures(1)[0])
        starts += [index] * (len(heard) - len(starts) + 1)
    expected = stretches(np.array(stamps_ms) * MS, MAX_GAP_S)
    assert starts == [part.start for part in expected] == [0, 3, 5, 8]


def test_a_folder_is_as_good_as_a_checkpoint(tmp_path, engine):
    save(example(), tmp_path / 'model')
    loaded = Engine(tmp_path / 'model', 'cpu')
    image = pictures(1)[0]
    assert loaded.step(image).curvature == engine.step(image).curvature
    assert (loaded.name, loaded.vehicle, loaded.preprocessing) == ('tester', TOY, CROPPED)
    assert loaded.training == {'seed': 3}
    assert (tmp_path / 'model' / f'weights-{loaded.checksum[:12]}.safetensors').is_file()


def test_a_model_of_another_preprocessing_is_refused():
    text = 'preprocessing: interpolation must be area, got linear'
    with pytest.raises(ValueError, match=f'^{text}$'):
        Engine(example(interpolation='linear'), 'cpu')


def test_an_answer_and_what_is_prepared_behind_it_are_a_step(engine):
    images, other = pictures(3), Engine(example(), 'cpu')
    for image in images:
        want = engine.step(image).curvature
        assert other.answer(image).curvature == want
        other.prepare()
        other.prepare()  # which does nothing


def test_an_answer_prepares_for_itself_where_nobody_did(engine):
    images, other = pictures(3), Engine(example(), 'cpu')
    want = [engine.step(image).curvature for image in images]
    assert [other.answer(image).curvature for image in images] == want


def test_a_reset_from_another_thread_falls_between_two_frames(engine):
    """Of one picture again and again, each answer continues the last one's stream or begins."""
    (image,), other = pictures(1), Engine(example(), 'cpu')
    known = np.array([other.step(image).curvature for _ in range(101)])
    done = threading.Event()

    def reset():
        while not done.wait(0.003):
            engine.reset()

    resetting = threading.Thread(target=reset)
    resetting.start()
    found = []
    for _ in range(100):
        found.append(engine.answer(image).curvature)
        engine.prepare()
    done.set()
    resetting.join()
    again = 0
    for before, value in itertools.pairwise(found):
        places = np.flatnonzero(np.abs(known[:-1] - before) < 1e-7)
        begins = abs(value - known[0]) < 1e-7
        assert len(places)
        assert begins or np.abs(known[places + 1] - value).min() < 1e-7
        again += begins
    assert again > 1


@pytest.mark.gpu
def test_a_gpu_looks_where_the_cpu_looks(engine):
    # A GPU may round convolutions to ten bits, which flips signs: the curvature is its own.
    image = pictures(1)[0]
    want, got = engine.step(image), Engine(example(), 'cuda').step(image)
    assert math.isfinite(got.curvature)
    np.testing.assert_allclose(got.attention, want.attention, atol=1e-4)
