import numpy as np
import pytest

from signattn.statistics import distribution, label_statistics, time_statistics

MS = 1_000_000


def stamps(*ms):
    return np.array(ms, np.int64) * MS


def test_time_statistics_of_an_even_series():
    assert time_statistics(stamps(0, 50, 100, 150), 0.5) == {
        'duration_s': 0.15,
        'rate_hz': 20.0,
        'jitter_ms': 0.0,
        'gaps': 0,
        'longest_gap_s': 0.0,
        'repeated_stamps': 0,
        'backward_stamps': 0,
    }


@pytest.mark.parametrize(('step_ms', 'gaps'), [(500, 0), (501, 1)])
def test_a_gap_is_longer_than_the_longest_allowed_step(step_ms, gaps):
    found = time_statistics(stamps(0, 50, 100, 100 + step_ms), 0.5)
    assert found['gaps'] == gaps
    assert found['longest_gap_s'] == (0.501 if gaps else 0)
    assert found['rate_hz'] == 20


def test_gaps_and_stamps_that_stand_or_go_back_are_counted_and_left_out_of_rate_and_jitter():
    found = time_statistics(stamps(0, 50, 100, 100, 60, 110, 160, 3160, 3210), 0.5)
    assert found == {
        'duration_s': 3.21,
        'rate_hz': 20.0,
        'jitter_ms': 0.0,
        'gaps': 1,
        'longest_gap_s': 3.0,
        'repeated_stamps': 1,
        'backward_stamps': 1,
    }


def test_jitter_is_half_the_width_of_the_middle_nine_tenths():
    intervals = [40] * 10 + [50] * 80 + [60] * 10  # 10 % early, 10 % late
    series = np.concatenate([[0], np.cumsum(intervals)])
    assert time_statistics(stamps(*series), 0.5)['jitter_ms'] == 10


@pytest.mark.parametrize('series', [(), (7,)])
def test_too_few_stamps_have_no_rate(series):
    found = time_statistics(stamps(*series), 0.5)
    assert (found['duration_s'], found['rate_hz'], found['jitter_ms']) == (0, None, None)


def test_label_statistics_leave_out_what_is_unknown():
    nan = np.nan
    found = label_statistics(
        np.radians([-10.0, 10.0, nan]), np.array([5.0, nan, 7.0]), np.array([-0.01, nan, nan])
    )
    assert found == {
        'labelled': 1,
        'steering_deg_mean': 0.0,
        'steering_deg_std': 10.0,
        'steering_deg_min': -10.0,
        'steering_deg_max': 10.0,
        'speed_m_per_s_mean': 6.0,
        'speed_m_per_s_std': 1.0,
        'speed_m_per_s_min': 5.0,
        'speed_m_per_s_max': 7.0,
        'curvature_per_m_mean': -0.01,
        'curvature_per_m_std': 0.0,
        'curvature_per_m_min': -0.01,
        'curvature_per_m_max': -0.01,
    }


def test_what_was_never_measured_is_none():
    values = np.array([np.nan, np.inf])
    assert set(distribution('x', values, 3).values()) == {None}
