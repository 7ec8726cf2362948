"""Lamps in plain pictures, and networks that read one cell."""

import numpy as np
import pytest
import torch
from torch import nn

from signattn.evaluate import degrees_apart, predict
from signattn.model import Network, NetworkConfig
from signattn.preprocess import scale
from signattn.truth import betrayal, moved_deg, without

BEND = 0.01  # 1/m, which is 22.918° at the wheel
LAMP = (slice(8, 16), slice(16, 24))  # cell 1, 2


@pytest.fixture
def lamp():
    """Where the lamp is, in two frames of three, (3, 80, 160)."""
    shown = np.zeros((3, 80, 160), np.float32)
    shown[(slice(2), *LAMP)] = 1
    return shown


def test_a_map_on_the_lamp_alone(lamp):
    found = betrayal(lamp.astype(np.float64), lamp, blur_px=0)
    assert found.energy[:2].tolist() == [1, 1]
    assert found.area == pytest.approx([0.005, 0.005, 0])
    assert found.rank[:2] == pytest.approx(1 - 0.0025)
    assert np.isnan(found.energy[2])
    assert np.isnan(found.rank[2])


def test_a_map_off_the_lamp(lamp):
    found = betrayal(1.0 - lamp, lamp, blur_px=0)
    assert found.energy[:2].tolist() == [0, 0]
    assert found.rank[:2] == pytest.approx(0.0025)


def test_an_even_map_gives_the_lamp_its_area(lamp):
    found = betrayal(np.ones_like(lamp), lamp)
    assert found.energy[:2] == pytest.approx(found.area[:2])
    assert found.rank[:2] == pytest.approx(0.5)


def test_partly_covered_pixels_count_by_their_share(lamp):
    lamp[0, 8, 16] = 0.5
    saliency = np.zeros((3, 80, 160))
    saliency[:, 8, 16] = 1.0
    assert betrayal(saliency, lamp, blur_px=0).energy[:2].tolist() == [0.5, 1]


def test_maps_of_other_frames_are_refused(lamp):
    with pytest.raises(ValueError, match=r'saliency must be \(3, 80, 160\), got \(80, 160\)'):
        betrayal(lamp[0], lamp)


def lit(lamp):
    """Grey pictures, V 100, with a lamp of full light."""
    frames = np.zeros((3, 80, 160, 3), np.uint8)
    frames[..., 2] = np.where(lamp > 0, 255, 100)
    return frames


@pytest.mark.parametrize(('kind', 'value'), [('black', 0), ('mean', 100), ('around', 100)])
def test_nothing_is_left_of_the_lamp(lamp, kind, value):
    frames = lit(lamp)
    before = frames.copy()
    filled = without(frames, lamp, kind)
    np.testing.assert_array_equal(frames, before)
    assert (filled[(slice(2), *LAMP)] == (0, 0, value)).all()
    rest = np.ones(lamp.shape, bool)
    rest[:2, 7:17, 15:25] = False  # a pixel about it is filled too
    np.testing.assert_array_equal(filled[rest], frames[rest])
    assert (filled[:2, 7:17, 15:25, 2] == value).all()


def test_mean_is_that_of_rgb(lamp):
    frames = np.zeros((3, 80, 160, 3), np.uint8)
    frames[:, :, :80] = (0, 255, 200)  # red
    frames[:, :, 80:] = (60, 255, 100)  # green
    lamp[:, 8:16, 136:144] = lamp[:, 8:16, 16:24]  # as much of the other colour
    assert without(frames, lamp, 'mean')[0, 12, 20].tolist() == [15, 255, 100]  # RGB 100, 50, 0


def test_a_pixel_that_shows_little_of_the_lamp_is_filled_too(lamp):
    lamp[0, 40, 40] = 0.01
    assert without(lit(lamp), lamp, 'black')[0, 40, 40, 2] == 0


def test_fillings_that_are_not_known(lamp):
    with pytest.raises(ValueError, match="kind must be one of black, mean, around, got 'blurred'"):
        without(lit(lamp), lamp, 'blurred')


def test_a_frame_that_is_all_lamp(lamp):
    with pytest.raises(ValueError, match='shown must leave a part of each frame, got all of one'):
        without(lit(lamp), np.ones_like(lamp), 'mean')


class Bright(nn.Module):
    """An encoder whose first channel is +1 in cells brighter than half, −1 in others."""

    def forward(self, frames):
        """(N, 200, 64) of (N, 3, 80, 160)."""
        value = nn.functional.avg_pool2d(frames[:, 2], 8).flatten(1)
        features = torch.zeros(len(frames), 200, 64)
        features[..., 0] = torch.where(value > 0.5, 1.0, -1.0)
        features[..., 32:] = 8.0
        return features


def reader(cell):
    """Says BEND if a cell is bright, −BEND if it isn't."""
    made = Network(NetworkConfig(hidden=1, dropout=0.0)).eval().requires_grad_(requires_grad=False)
    for name, parameter in made.named_parameters():
        if name != 'range_b':
            parameter.zero_()
    made.encoder = Bright()
    made.output.weight[0, cell * 32] = BEND / 4  # the gate is ½, the amplitude 8
    return made


@pytest.mark.parametrize('regime', ['frame', 'stream'])
def test_removing_what_is_read_turns_the_answer(write_drive, lamp, regime):
    drive = write_drive([BEND] * 3, frames=lit(lamp))
    removed = without(drive.frames, lamp, 'around')
    moved = moved_deg(reader(22), drive, removed, regime=regime)
    assert moved == pytest.approx([45.837, 45.837, 0], abs=1e-3)
    assert moved_deg(reader(23), drive, removed, regime=regime).tolist() == [0, 0, 0]


@pytest.fixture
def remembering(write_drive):
    """A network with a memory, and a drive with a gap behind the fifth frame."""
    torch.manual_seed(0)
    frames = np.random.default_rng(0).integers(0, 180, (9, 80, 160, 3), np.uint8)
    stamps = np.arange(9) * 50_000_000 + np.repeat([0, 10**9], (5, 4))
    network = Network(NetworkConfig(hidden=4, dropout=0.0)).eval()
    network.curvature_scale.fill_(0.001)
    return network, write_drive([BEND] * 9, frames=frames, stamps_ns=stamps)


def test_what_was_removed_earlier_matters_in_the_stream_alone(remembering):
    network, drive = remembering
    frames = np.array(drive.frames)
    frames[1, :40] = 0
    assert np.flatnonzero(moved_deg(network, drive, frames)).tolist() == [1]
    moved = moved_deg(network, drive, frames, regime='stream')
    assert np.flatnonzero(moved).tolist() == [1, 2, 3, 4]  # not behind the gap


def test_frames_are_answered_in_the_state_of_the_clean_pass(remembering):
    network, drive = remembering
    frames = np.random.default_rng(1).integers(0, 180, drive.frames.shape, np.uint8)
    other = []
    with torch.inference_mode():
        for part in drive.stretches():
            state = None
            for index in range(part.start, part.stop):
                shown = torch.from_numpy(scale(frames[index][None, None]))
                clean = torch.from_numpy(scale(drive.frames[index][None, None]))
                output = network(clean, state)
                h, c = output.before
                other.append(float(network(shown, (h[:, 0], c[:, 0])).curvature))
                state = output.state
    expected = degrees_apart(np.array(other), predict(network, drive), drive)
    assert moved_deg(network, drive, frames) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize('regime', ['frame', 'stream'])
def test_the_same_frames_move_nothing(remembering, regime):
    network, drive = remembering
    moved = moved_deg(network, drive, np.array(drive.frames), regime=regime)
    assert moved == pytest.approx(np.zeros(9), abs=1e-6)


def test_frames_of_another_drive_are_refused(remembering):
    network, drive = remembering
    with pytest.raises(ValueError, match=r'frames must be \(9, 80, 160, 3\), got \(8, 80, '):
        moved_deg(network, drive, drive.frames[:8])


def test_another_regime_is_refused(remembering):
    network, drive = remembering
    with pytest.raises(ValueError, match="regime must be 'frame' or 'stream', got 'both'"):
        moved_deg(network, drive, drive.frames, regime='both')
