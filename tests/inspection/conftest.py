"""Evidence that nothing is wrong with, to spoil; recordings whose picture turns with the car."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from signattn.bag import BagWriter, Series
from signattn.inspection.evidence import Agreement, Evidence, Images, Picture
from signattn.labels import Labels

STEP_NS = 50_000_000  # 20 Hz
BEGIN_NS = 1_479_400_000_000_000_000
COUNT = 800  # 40 s


def picture(**changes):
    values = {'stamp_ns': BEGIN_NS, 'height': 480, 'width': 640}
    return Picture(**values | {'brightness': 0.5, 'black': 0.0, 'white': 0.0} | changes)


def stamps(count=COUNT, step_ns=STEP_NS):
    return BEGIN_NS + np.arange(count) * step_ns


def sound():
    """40 s at 20 Hz and 15 m/s, steering ±20°."""
    times = stamps()
    angle = np.radians(20) * np.sin(np.arange(COUNT) / 40)
    speed = np.full(COUNT, 15.0)
    images = Images(
        stamps_ns=times,
        received_ns=times,
        repeats=np.zeros(COUNT, bool),
        encodings=['jpeg'],
        sampled=100,
        pictures=[picture()] * 100,
        unreadable=[],
        shown=[],
        motion_ns=times[::8],
        motion=50 * angle[::8],
    )
    return Evidence(
        name='drive',
        topics={'camera': '/camera', 'steering': '/steering', 'speed': '/steering'},
        images=images,
        frames_ns=times,
        labels=Labels(angle, speed, angle / 60),
        steering=Series('steering_angle', times, angle),
        speed=Series('speed', times, speed),
        rate_hz=20.0,
        max_gap_s=0.5,
        aspect_ratio=4 / 3,
        agreement=Agreement(0.95, 0.0, 0.95, pairs=100, span_s=40.0),
    )


@pytest.fixture
def spoilt():
    """Gives a function that changes parts of sound evidence; ``images_…`` those of its images."""

    def spoil(**changes):
        evidence = sound()
        inner = {key[7:]: changes.pop(key) for key in [*changes] if key.startswith('images_')}
        return replace(evidence, images=replace(evidence.images, **inner), **changes)

    return spoil


def panorama():
    """(48, 4000, 3) uint8: clouds of colour."""
    noise = np.random.default_rng(0).integers(0, 256, (6, 500, 3), np.uint8)
    return cv2.resize(noise, (4000, 48), interpolation=cv2.INTER_CUBIC)


def seen(part, index):
    """A part of the panorama with a corner that is never the same twice."""
    image = part.copy()
    image[:8, :8] = index * np.array([7, 31, 57]) % 256
    return image


def drive_around(count=COUNT, *, sign=1.0, lag_s=0.0, turn=True):
    """Stamps, pictures (48, 64, 3) that turn with the car, and its steering (rad), labelled so."""
    seconds = np.arange(count) * STEP_NS / 1e9
    world = panorama()

    def angle(at):
        return np.radians(20) * (np.sin(at / 3) + 0.4 * np.sin(at * 1.3)) * turn

    turned = np.cumsum(angle(seconds)) * 8
    left = (1800 - turned).round().astype(int)
    pictures = (seen(world[:, at : at + 64], index) for index, at in enumerate(left))
    return stamps(count).tolist(), pictures, sign * angle(seconds - lag_s)


@pytest.fixture
def write_bag(tmp_path):
    """Gives a function that writes a bag of such a drive."""

    def write(name='bag', fmt='mcap', *, steering=True, count=COUNT, **way):
        path = tmp_path / (f'{name}.bag' if fmt == 'ros1' else name)
        with BagWriter(path, fmt) as bag:
            for stamp, rgb, angle in zip(*drive_around(count, **way), strict=True):
                bag.image(stamp, rgb)
                if steering:
                    bag.steering(stamp, float(angle), 10.0)
        return path

    return write
