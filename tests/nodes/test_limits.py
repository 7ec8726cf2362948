"""Safety limits, by numbers worked out by hand."""

import math

import pytest

from signattn.nodes.limits import Bounds, Limiter

MS = 1_000_000  # ns


def limited(vehicle, *answers, speed=0.0, **bounds):
    """What a limiter makes of answers (stamp in ms, 1/m)."""
    limiter = Limiter()
    return [
        limiter.limit(curvature, stamp_ms * MS, speed, vehicle, Bounds(**bounds))
        for stamp_ms, curvature in answers
    ]


def test_without_bounds_nothing_changes(vehicle):
    answers = [(0, 0.1), (1, -7.25), (1, 3e8)]
    assert limited(vehicle, *answers, speed=30.0) == [(value, ()) for _, value in answers]


@pytest.mark.parametrize(
    ('speed', 'expected'),
    [
        (0.0, 0.1),  # 0.2 rad / 2 m
        (10.0, 0.05),  # of that half: 1 + 0.01 · 10²
    ],
)
def test_the_tyres_turn_no_further(vehicle, speed, expected):
    answers = (0, expected), (50, 1.001 * expected), (100, -1.0)
    assert limited(vehicle, *answers, speed=speed, tyre_angle=0.2) == [
        (pytest.approx(expected), ()),
        (pytest.approx(expected), ('curvature',)),
        (pytest.approx(-expected), ('curvature',)),
    ]


def test_the_lateral_acceleration_bounds_a_fast_car(vehicle):
    bounds = Bounds(tyre_angle=0.2, lateral_acceleration=4.0)
    assert bounds.curvature(20.0, vehicle) == pytest.approx(0.01)  # 4 / 20²
    assert bounds.curvature(0.0, vehicle) == pytest.approx(0.1)
    assert Bounds().curvature(20.0, vehicle) == math.inf


def test_the_curvature_changes_no_faster(vehicle):
    # 0.2 1/(m·s): 0.01 1/m in 50 ms.
    answers = (0, 0.5), (50, 0.52), (100, 0.0), (150, 0.4925), (350, 0.44)
    got = limited(vehicle, *answers, rate=0.2)
    assert [value for value, _ in got] == pytest.approx([0.5, 0.51, 0.5, 0.4925, 0.4525])
    assert [acted for _, acted in got] == [(), ('rate',), ('rate',), (), ('rate',)]


@pytest.mark.parametrize('second_ms', [100, 40])
def test_where_no_time_passes_the_curvature_holds(vehicle, second_ms):
    assert limited(vehicle, (100, 0.1), (second_ms, 0.2), rate=1.0)[1] == (0.1, ('rate',))


def test_what_can_be_driven_comes_last(vehicle):
    limiter = Limiter()
    assert limiter.limit(0.1, 0, 0.0, vehicle, Bounds(tyre_angle=0.2)) == (0.1, ())
    # At 10 m/s only half of that can be driven, however fast that is.
    both = Bounds(tyre_angle=0.2, rate=0.2)
    assert limiter.limit(0.0, 50 * MS, 10.0, vehicle, both) == (
        pytest.approx(0.05),
        ('rate', 'curvature'),
    )
