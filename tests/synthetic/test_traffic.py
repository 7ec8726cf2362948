import dataclasses
import functools

import numpy as np
import pytest

from signattn.synthetic import SynthConfig, SynthDrive

CONFIG = SynthConfig(duration=120.0, seed=4, width=96, height=72, fov_deg=50, roadside=0)
TRUCK = 2.5  # m, lower than every truck and higher than every car


@functools.cache
def drive(**changes):
    return SynthDrive(dataclasses.replace(CONFIG, **changes))


def heights(world):
    return np.array([car.shape.corners[:, 2].max() for car in world._cars])


def gaps(world):
    """Metres from the camera to the rear of the vehicle ahead, every half second."""
    lead = world._cars[-1]
    rear = lead.shape.corners[:, 0].min()
    moments = np.arange(0, world.course.duration, 0.5)
    travelled = world.course.at_time(moments, world.course.travelled)
    return np.array([lead.place(float(moment)) for moment in moments]) - travelled + rear


def test_trucks_take_the_share_that_is_asked_for():
    cars, some, all_of_them = (drive(trucks=share) for share in (0.0, 0.5, 1.0))
    assert (heights(cars) < TRUCK).all()
    assert 0.2 < (heights(some) > TRUCK).mean() < 0.8
    assert (heights(all_of_them) > TRUCK).all()


def test_trucks_drive_where_cars_drove():
    for car, truck in zip(drive()._cars, drive(trucks=1.0)._cars, strict=True):
        assert truck.place(3.0) == car.place(3.0)
        assert truck.across == car.across
        assert truck.oncoming == car.oncoming


def test_truck_fits_its_lane():
    for truck in drive(trucks=1.0)._cars:
        corners = truck.shape.corners[truck.shape.faces[0][1] :]
        assert 2 < np.ptp(corners[:, 1]) < 2.6
        assert corners[:, 2].min() >= -0.01
        assert len(truck.shape.headlamps) == len(truck.shape.taillamps) == 2


@pytest.mark.parametrize('share', [0.3, 0.7])
def test_vehicle_ahead_is_close_for_about_its_share(share):
    gap = gaps(drive(lead=share, traffic=0, duration=600.0))
    assert gap.min() >= 2.4
    close = (gap < 40).mean()
    assert share - 0.15 < close < share + 0.3


def test_vehicle_ahead_stays_close_where_it_is_asked_to():
    gap = gaps(drive(lead=1.0, traffic=0))
    assert gap.max() < 50


def test_vehicle_ahead_replaces_the_others_in_our_lane():
    world = drive(lead=0.3)
    ours = [car for car in world._cars if not car.oncoming and abs(car.across) < 1]
    assert len(ours) == 1
    assert len(drive(lead=0.0, traffic=0)._cars) == 0


def test_traffic_leaves_road_and_labels():
    plain, full = drive(), drive(lead=0.5, trucks=0.5, traffic=2)
    np.testing.assert_array_equal(plain.course.curvature, full.course.curvature)
    np.testing.assert_array_equal(plain.course.x, full.course.x)


def test_long_vehicle_is_seen_until_its_end_has_passed():
    world = drive(trucks=1.0, traffic=0, lead=1.0)
    lead = dataclasses.replace(world._cars[-1], oncoming=True, across=world.lanes.width)
    pictures = []
    for station in (8.0, 2.0, -8.0):
        world._cars = (dataclasses.replace(lead, place=lambda _, at=station: at),)
        pictures.append(world.frame(0).image)
    assert (pictures[0] != pictures[2]).any()
    assert (pictures[1] != pictures[2]).any()


def test_trace_that_brakes_to_a_stop_is_drawn_to_its_end(tmp_path):
    path = tmp_path / 'trace.csv'
    rows = [
        f'{1_000_000_000 + k * 50_000_000},{2.0 if k > 30 else -2.0},{max(6 - 0.1 * k, 0)}'
        for k in range(101)
    ]
    path.write_text('timestamp,angle,speed\n' + '\n'.join(rows) + '\n')
    world = SynthDrive(dataclasses.replace(CONFIG, trace=path, lead=1.0, masks='causal'))
    assert len(world) == 100
    last = world.frame(99)
    assert last.speed == 0
    assert last.steering_angle == 2.0
    assert last.mask.any()
    before = world.frame(90)
    np.testing.assert_array_equal(before.mask, world.frame(90).mask)
    assert gaps(world).min() >= 2.4


@pytest.mark.parametrize('name', ['trucks', 'lead'])
def test_share_beyond_one_is_refused(name):
    with pytest.raises(ValueError, match=f'{name} must be from 0 to 1, got 1.1'):
        SynthConfig(**{name: 1.1})
