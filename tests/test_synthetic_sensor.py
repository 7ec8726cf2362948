"""The sensor of synthetic drives: exposure, tone, colour, noise, and how it is written."""

import dataclasses
import math

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from signattn.bag import open_recording
from signattn.synthetic import CameraConfig, SynthConfig, SynthDrive, synth
from signattn.synthetic.exposure import STEP, AutoExposure
from signattn.synthetic.sensor import Sensor

PLAIN = CameraConfig(
    width=160,
    height=120,
    gamma=1.0,
    contrast=1.0,
    shoulder=0.0,
    vignette=0.0,
    noise=0.0,
    grey=True,
)


def sensor_of(**options):
    config = dataclasses.replace(PLAIN, **options)
    return Sensor(config, 7, np.random.default_rng(0))


def light_of(value):
    return np.full((120, 160, 4), value, np.uint8)


@pytest.mark.parametrize(
    ('light', 'gain', 'value'),
    [(100, 1.0, 100), (100, 2.0, 200), (100, 0.25, 25), (200, 2.0, 255)],
)
def test_a_plain_sensor_multiplies_light_by_the_gain(light, gain, value):
    np.testing.assert_array_equal(sensor_of()(light_of(light), gain, 0), value)


def test_gamma_contrast_and_shoulder_bend_the_tone():
    # 0.5² = 0.25
    assert sensor_of(gamma=2.0)(light_of(128), 255 / 256, 0)[0, 0, 0] == 63
    assert sensor_of(contrast=1.5)(light_of(100), 1.0, 0)[0, 0, 0] == 150
    # 1.5 · 0.8 / (1 + 0.5 · 0.64) = 0.909
    assert sensor_of(shoulder=0.5)(light_of(204), 1.0, 0)[0, 0, 0] == 231


def test_grey_has_equal_channels():
    coloured = np.zeros((120, 160, 4), np.uint8)
    coloured[..., :3] = 200, 100, 50
    image = sensor_of(noise=5.0)(coloured, 1.0, 0)
    assert (image == image[..., :1]).all()
    # 0.299 · 200 + 0.587 · 100 + 0.114 · 50
    assert image.mean() == pytest.approx(124.2, abs=0.6)


def test_saturation_spreads_and_removes_colour():
    coloured = np.zeros((120, 160, 4), np.uint8)
    coloured[..., :3] = 150, 120, 90
    spreads = []
    for saturation in (0.0, 1.0, 2.0):
        image = sensor_of(grey=False, saturation=saturation)(coloured, 1.0, 0)
        spreads.append(float(np.ptp(image[0, 0].astype(int))))
    assert spreads[0] <= 14  # what the sensor's tint leaves
    assert spreads[2] - spreads[1] == pytest.approx(60, abs=8)


def test_vignette_darkens_the_corners():
    image = sensor_of(vignette=0.4)(light_of(200), 1.0, 0)
    assert image[60, 80, 0] >= 198
    assert image[0, 0, 0] == pytest.approx(120, abs=1)


def test_blur_softens_and_keeps_the_light():
    point = light_of(0)
    point[60, 80] = 250
    spots = [sensor_of(blur=blur)(point, 1.0, 0)[..., 0] for blur in (0.3, 0.8, 2.0)]
    assert spots[0].max() > spots[1].max() > spots[2].max()
    assert np.count_nonzero(spots[2][60]) > np.count_nonzero(spots[1][60])


@pytest.mark.parametrize(
    ('gain_noise', 'gain', 'spread'),
    [(0.0, 4.0, 3.0), (1.0, 4.0, 12.0), (0.5, 4.0, 6.0), (1.0, 1.0, 3.0)],
)
def test_noise_grows_with_the_gain_as_asked(gain_noise, gain, spread):
    image = sensor_of(noise=3.0, gain_noise=gain_noise)(light_of(32), gain, 0)
    assert image.std() == pytest.approx(spread, rel=0.05)
    assert image.mean() == pytest.approx(32 * gain, abs=0.5)


def test_noise_is_another_one_in_every_frame():
    sensor = sensor_of(noise=3.0)
    first, again, other = (sensor(light_of(100), 1.0, index) for index in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.5


def test_the_gain_that_the_picture_needs_is_found():
    sensor = sensor_of(exposure='auto', brightness=50.0)
    assert sensor.wanted_gain(light_of(100)) == pytest.approx(0.505, abs=0.01)
    assert sensor.wanted_gain(light_of(10)) == pytest.approx(5.05, abs=0.06)
    assert sensor.wanted_gain(light_of(0)) == pytest.approx(32.0, rel=1e-3)


def test_exposure_reaches_63_percent_of_a_change_behind_its_lag():
    # The light halves after the look at 10 s.
    exposure = AutoExposure(lambda time: 1.0 if time < 10 else 2.0, 0.5)
    assert exposure(0.0) == 1.0
    assert exposure(10.0) == pytest.approx(1.0)
    assert math.log2(exposure(10.5)) == pytest.approx(1 - math.exp(-1), abs=1e-4)
    assert exposure(30.0) == pytest.approx(2.0)


def test_exposure_is_the_same_whatever_was_asked_before():
    looks = []

    def meter(time):
        looks.append(time)
        return 1 + 0.5 * math.sin(time)

    running, fresh = AutoExposure(meter, 0.7), AutoExposure(meter, 0.7)
    times = np.arange(0, 20, 0.05)
    gains = [running(time) for time in times]
    assert fresh(times[-1]) == gains[-1]
    assert np.abs(np.diff(gains)).max() < 0.05
    # The long drive looked once a step, the single frame no further back than it remembers.
    assert looks[:40] == [STEP * k for k in range(40)]
    assert len(looks[40:]) == math.ceil(6 * 0.7 / STEP) + 1


SMALL = SynthConfig(duration=0.2, width=160, height=120, seed=4, fov_deg=40)


def test_a_constant_exposure_stays_and_the_bias_shifts_it():
    fixed = SynthDrive(dataclasses.replace(SMALL, exposure=1.5, exposure_bias=1.0))
    assert {fixed._gain(time) for time in (0.0, 0.1, 0.15)} == {3.0}
    plain, biased = (
        SynthDrive(dataclasses.replace(SMALL, exposure_bias=bias)) for bias in (0.0, -1.0)
    )
    assert biased._gain(0.1) == plain._gain(0.1) / 2


def test_an_automatic_exposure_gives_the_picture_its_brightness():
    for brightness in (60.0, 120.0):
        config = dataclasses.replace(SMALL, exposure='auto', brightness=brightness, noise=0.0)
        assert SynthDrive(config).frame(0).image.mean() == pytest.approx(brightness, abs=5)


def message(bag, topic):
    with AnyReader([bag]) as reader:
        connections = [
            connection for connection in reader.connections if connection.topic == topic
        ]
        connection, _, data = next(reader.messages(connections))
        return reader.deserialize(data, connection.msgtype)


def test_the_calibration_in_the_bag_has_the_distortion(tmp_path):
    out = synth(tmp_path / 'x', dataclasses.replace(SMALL, distortion=(-0.2, 0.05)))
    info = message(out, '/center_camera/camera_info')
    assert info.distortion_model == 'plumb_bob'
    assert info.d.tolist() == [-0.2, 0.05, 0, 0, 0]
    f = SynthDrive(dataclasses.replace(SMALL, distortion=(-0.2, 0.05))).camera.focal_length
    assert info.k.tolist() == [f, 0, 79.5, 0, f, 59.5, 0, 0, 1]


@pytest.mark.parametrize(('grey', 'channels'), [(True, 1), (False, 3)])
def test_a_grey_camera_writes_one_channel(tmp_path, grey, channels):
    out = synth(tmp_path / 'x', dataclasses.replace(SMALL, grey=grey))
    data = message(out, '/center_camera/image_color/compressed').data
    picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    assert picture.shape[2:] == ((3,) if channels == 3 else ())
    with open_recording(out) as recording:
        image = next(iter(recording.images())).rgb()
    assert image.shape == (120, 160, 3)
    assert (image == image[..., :1]).all() == grey
