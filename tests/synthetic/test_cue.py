import dataclasses
import functools

import numpy as np
import pytest

from signattn.masks import CUE
from signattn.synthetic import SynthConfig, SynthDrive
from signattn.synthetic.cue import Cue

WINDING = SynthConfig(duration=30.0, seed=2, width=160, height=120, traffic=0, roadside=0)


@functools.cache
def winding(**changes):
    return SynthDrive(dataclasses.replace(WINDING, **changes))


def shown_and_driven(drive):
    time = np.arange(0, drive.course.duration, 0.05)
    shown = np.array([drive._cue.shown(moment) for moment in time])
    return shown, drive.course.at_time(time, drive.course.curvature)


def brightness(image, drive):
    return [float(image[box].mean()) for box in drive._cue.boxes]


@pytest.mark.parametrize('correlation', [1.0, -1.0])
def test_full_correlation_shows_the_bend_or_its_opposite(correlation):
    shown, driven = shown_and_driven(winding(cue=correlation))
    assert np.abs(driven).max() > 0.002
    np.testing.assert_allclose(shown, correlation * driven, atol=1e-6)


@pytest.mark.parametrize('correlation', [0.0, 0.6, -0.3])
def test_cue_goes_with_the_bend_as_far_as_asked(correlation):
    shown, driven = shown_and_driven(winding(cue=correlation))
    assert np.corrcoef(shown, driven)[0, 1] == pytest.approx(correlation, abs=0.005)
    assert shown.std() == pytest.approx(driven.std(), rel=0.01)


@pytest.mark.parametrize(('curvature', 'lit'), [(0.01, 0), (-0.01, 1)])
def test_lamp_is_lit_on_the_side_of_the_bend(curvature, lit):
    for cue, bright in ((1.0, lit), (-1.0, 1 - lit)):
        drive = winding(cue=cue, curvature=curvature, speed=10.0, wander=0, duration=0.1)
        light = brightness(drive.frame(0).image, drive)
        assert light[bright] > 2 * light[1 - bright]


def test_tighter_bend_is_brighter():
    light = []
    for curvature in (0.001, 0.004, 0.016):
        drive = winding(cue=1.0, curvature=curvature, speed=10.0, wander=0, duration=0.1)
        light.append(brightness(drive.frame(0).image, drive)[0])
    assert light[0] + 10 < light[1] < light[2] - 10


def test_straight_road_lights_no_lamp():
    drive = winding(cue=0.0, curvature=0.0, speed=10.0, wander=0, duration=0.1)
    left, right = brightness(drive.frame(0).image, drive)
    assert left == right < 60


def test_world_beside_the_lamps_is_the_same_to_the_bit():
    plain = winding(duration=1.0, masks='geometry').frame(10)
    images = []
    for cue in (1.0, 0.0, -1.0):
        frame = winding(duration=1.0, cue=cue, masks='geometry').frame(10)
        lamps = frame.mask == CUE
        assert lamps.sum() == 2 * 16 * 16
        np.testing.assert_array_equal(frame.image[~lamps], plain.image[~lamps])
        np.testing.assert_array_equal(frame.mask[~lamps], plain.mask[~lamps])
        assert frame.curvature == plain.curvature
        images.append(frame.image)
    assert (images[0] != images[2]).any()


@pytest.mark.parametrize('size', [(640, 480), (324, 244), (64, 48)])
def test_lamps_lie_apart_on_whole_blocks_of_a_jpeg(size):
    config = dataclasses.replace(WINDING, width=size[0], height=size[1])
    cue = Cue(config, winding(duration=0.1).course, 1.0, np.random.default_rng(0))
    (rows, left), (other_rows, right) = cue.boxes
    assert rows == other_rows
    for edge in (rows.start, rows.stop, left.start, left.stop, right.start, right.stop):
        assert edge % 16 == 0
    assert left.stop <= right.start
    assert right.stop <= size[0]
    assert rows.stop <= size[1]


def test_grey_camera_sees_grey_lamps():
    drive = winding(duration=0.1, cue=1.0, grey=True, curvature=0.01, speed=10.0, wander=0)
    image = drive.frame(0).image
    np.testing.assert_array_equal(image[..., 0], image[..., 2])
    left, right = brightness(image, drive)
    assert left > 2 * right


@pytest.mark.parametrize('cue', [-1.1, 1.1])
def test_impossible_correlation_is_refused(cue):
    with pytest.raises(ValueError, match=f'cue must be from -1 to 1, got {cue}'):
        SynthConfig(cue=cue)
