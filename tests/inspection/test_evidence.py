import numpy as np
import pytest

from signattn.inspection.evidence import BLACK, WHITE, Clock, Picture

S = 1_000_000_000


def test_a_picture_is_measured_on_its_brightest_channel():
    frame = np.zeros((80, 160, 3), np.uint8)
    frame[..., 2] = 51
    frame[:8, :, 2] = WHITE
    frame[8:24, :, 2] = BLACK
    found = Picture.of(7, (480, 640), frame)
    assert (found.stamp_ns, found.height, found.width) == (7, 480, 640)
    assert (found.white, found.black) == (0.1, 0.2)
    mean = (0.1 * WHITE + 0.2 * BLACK + 0.7 * 51) / 255
    assert found.brightness == pytest.approx(mean)


@pytest.mark.parametrize(('value', 'black', 'white'), [(BLACK + 1, 0, 0), (WHITE - 1, 0, 0)])
def test_almost_black_and_almost_white_still_show_something(value, black, white):
    found = Picture.of(0, (1, 1), np.full((80, 160, 3), value, np.uint8))
    assert (found.black, found.white) == (black, white)


def test_a_clock_leaves_out_stamps_of_zero():
    received = np.arange(10) * S + 5 * S
    stamps = received - S // 10
    stamps[3] = 0
    clock = Clock.of('/a', stamps, received)
    assert clock.zeros == 1
    assert len(clock.received_ns) == len(clock.offset_s) == 9
    assert clock.median_s == pytest.approx(-0.1)
    assert clock.spread_s == pytest.approx(0)
    assert clock.drift_s == pytest.approx(0)


def test_a_clock_that_drifts():
    received = np.arange(101) * S + 5 * S
    clock = Clock.of('/a', received + np.arange(101) * S // 100, received)
    assert clock.median_s == pytest.approx(0.5)
    assert clock.spread_s == pytest.approx(0.45)
    assert clock.drift_s == pytest.approx(0.91)  # from the 5th to the 96th of 101


def test_a_clock_without_stamps_knows_nothing():
    clock = Clock.of('/a', np.zeros(3, np.int64), np.arange(3))
    assert clock.zeros == 3
    assert np.isnan([clock.median_s, clock.spread_s, clock.drift_s]).all()
