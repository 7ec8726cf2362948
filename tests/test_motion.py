"""Steering from the motion of the picture: translations of known px."""

import cv2
import numpy as np
import pytest

from signattn.motion import fit_weight, image_motion

STEP_NS = 50_000_000  # at 10 m/s 0.5 m


def texture(width):
    coarse = np.random.default_rng(0).uniform(0, 255, (20, width // 4)).astype(np.float32)
    return cv2.resize(coarse, (width, 80), interpolation=cv2.INTER_CUBIC).clip(0, 255)


def sliding(shifts):
    """Pictures whose content lies this many px further right than in the first."""
    wide = texture(400).astype(np.uint8)
    frames = np.zeros((len(shifts), 80, 160, 3), np.uint8)
    for frame, shift in zip(frames, shifts, strict=True):
        frame[:, :, 2] = wide[:, 120 - shift : 280 - shift]
    return frames


def test_what_stands_still_has_none(write_drive):
    drive = write_drive([0.0] * 8, frames=sliding([0] * 8))
    np.testing.assert_allclose(image_motion(drive)[1:], 0, atol=1e-6)


@pytest.mark.parametrize('px', [3, -2])
def test_motion_is_px_for_each_metre(write_drive, px):
    drive = write_drive([0.0] * 8, frames=sliding([i * px for i in range(8)]))
    motion = image_motion(drive)
    assert np.isnan(motion[0])
    np.testing.assert_allclose(motion[1:], px / 0.5, atol=0.05 * abs(px))


def test_motion_is_averaged_over_the_last_five_pairs(write_drive):
    # 4 px in the first pair only: spread over 1, 2, … 5 pairs of 0.5 m, then forgotten.
    drive = write_drive([0.0] * 8, frames=sliding([0] + [4] * 7))
    expected = [4 / 0.5, 4 / 1.0, 4 / 1.5, 4 / 2.0, 4 / 2.5, 0, 0]
    np.testing.assert_allclose(image_motion(drive)[1:], expected, atol=0.1)


def test_motion_depends_on_the_metres_driven(write_drive):
    drive = write_drive([0.0] * 4, frames=sliding([0, 2, 4, 6]), speed=20.0)
    np.testing.assert_allclose(image_motion(drive)[1:], 2 / 1.0, atol=0.1)


def test_the_first_frame_behind_a_gap_has_none(write_drive):
    stamps = np.arange(6) * STEP_NS + np.array([0, 0, 0, 1, 1, 1]) * 1_000_000_000
    drive = write_drive([0.0] * 6, frames=sliding([0, 2, 4, 60, 58, 56]), stamps_ns=stamps)
    motion = image_motion(drive)
    assert np.isnan(motion).tolist() == [True, False, False, True, False, False]
    np.testing.assert_allclose(motion[[1, 2, 4, 5]], [4, 4, -4, -4], atol=0.2)


@pytest.mark.parametrize('speed', [0.0, np.nan])
def test_without_metres_there_is_none(write_drive, speed):
    drive = write_drive([0.0] * 3, frames=sliding([0, 2, 4]), speed=speed)
    assert np.isnan(image_motion(drive)).all()


def test_the_weight_by_hand():
    # (1·2 + 2·3) / (1² + 2²)
    motion, curvature = np.array([1.0, 2.0]), np.array([2.0, 3.0])
    assert fit_weight(motion, curvature) == 8 / 5


def test_what_is_unknown_is_left_out_of_the_weight():
    motion = np.array([np.nan, 1.0, 2.0, 5.0])
    curvature = np.array([7.0, 2.0, 3.0, np.nan])
    assert fit_weight(motion, curvature) == 8 / 5


@pytest.mark.parametrize('motion', [[], [0.0], [np.nan]])
def test_a_weight_needs_a_moving_frame(motion):
    text = r'^motion must have a moving frame with label to be fitted, got none$'
    with pytest.raises(ValueError, match=text):
        fit_weight(np.array(motion), np.ones(len(motion)))
