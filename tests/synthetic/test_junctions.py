import dataclasses
import functools

import numpy as np
import pytest

from signattn.masks import LINES
from signattn.synthetic import SynthConfig, SynthDrive
from signattn.synthetic.ground import see_ground
from signattn.synthetic.junctions import Junctions
from signattn.synthetic.surface import Lanes

CONFIG = SynthConfig(
    duration=0.1,
    curvature=0.0,
    speed=15.0,
    width=160,
    height=120,
    fov_deg=60,
    wander=0,
    motion=0,
    hills=0,
    traffic=0,
    roadside=0,
    masks='geometry',
)
LANES = Lanes.drawn(np.random.default_rng(0))


def one(*, left, right):
    """A junction from 20 to 30 m."""
    return Junctions(np.array([20.0]), np.array([30.0]), np.array([[left, right]]), LANES)


@functools.cache
def drive(**changes):
    return SynthDrive(dataclasses.replace(CONFIG, **changes))


def test_side_road_covers_what_lies_before_it_on_its_side():
    junction = one(left=False, right=True)
    # 10 m aside it is half as wide as 5 m · (0.55 + 0.45 / e^(10 / 3)), and a quarter of gravel,
    # and a metre for what may stand there.
    reach = 1.25 * 5 * (0.55 + 0.45 * np.exp(-10 / 3)) + 1
    beside = LANES.right_edge - np.array([10.0, 10.0, 10.0, 70.0, -2.0])
    station = 25 + np.array([0.0, reach - 0.01, reach + 0.01, 0.0, 0.0])
    assert junction.cover(station, beside).tolist() == [True, True, False, False, False]
    mirrored = LANES.left_edge + np.array([10.0])
    assert junction.cover(np.array([25.0]), mirrored).tolist() == [False]


def test_edges_are_open_where_a_side_road_begins():
    open_sides = one(left=True, right=False).open_sides(np.array([19.9, 20.1, 29.9, 30.1]))
    assert open_sides.tolist() == [[False, True, True, False], [False] * 4]


def test_pixels_of_a_side_road_show_asphalt_along_it():
    view = drive().view(0)
    ground = see_ground(drive().course, 0.0, view, 120)
    tangent = (np.arange(160) - view.camera.cx) / view.camera.focal_length
    across, along = ground.lateral(tangent)
    turned, out = one(left=False, right=True).turn(ground, across, along)
    changed = turned != across
    station = ground.station[:, None] + along
    beyond = LANES.right_edge - across
    assert changed.sum() > 50
    assert ((station > 19) & (station < 31) & (beyond > -0.31))[changed].all()
    middle = changed & (np.abs(station - 25) < 2) & (beyond > 0)
    assert middle.any()
    assert (turned[middle] < LANES.left_edge).all()
    assert (turned[middle] > LANES.right_edge).all()
    # The texture is looked up as far along the side road as the pixel is beside ours.
    looked_up = (ground.station[:, None] % 96 + out)[middle]
    np.testing.assert_allclose(looked_up, beyond[middle] % 96, atol=1e-3)


def test_road_without_side_roads_is_looked_up_as_it_is():
    ground = see_ground(drive().course, 0.0, drive().view(0), 120)
    across = np.zeros((ground.depth.size, 160), np.float32)
    none = Junctions.drawn([], LANES, np.random.default_rng(0))
    same = none.turn(ground, across, across)
    assert same[0] is across
    assert same[1] is across
    assert not none.cover(np.zeros(3), np.full(3, -20.0)).any()
    assert not none.open_sides(np.zeros(3)).any()


def test_each_gap_has_a_side_road():
    gaps = [(float(begin), begin + 10.0) for begin in range(0, 4000, 100)]
    junctions = Junctions.drawn(gaps, LANES, np.random.default_rng(0))
    assert junctions.sides.any(1).all()
    assert {tuple(sides) for sides in junctions.sides.tolist()} == {
        (True, False),
        (False, True),
        (True, True),
    }


def test_nothing_stands_on_a_side_road():
    for density in (0.0, 4.0):
        world = drive(junctions=density, roadside=2)
        junctions, things = world._markings.junctions, world._road.roadside
        assert (junctions.begin.size > 4) == (density > 0)
        assert things.station.size > 400
        # The road is straight along x and the car in the middle of its lane.
        assert not junctions.cover(things.station, things.y).any()


def test_lines_stop_at_a_side_road():
    world = drive(junctions=4.0, duration=60.0)
    junctions = world._markings.junctions
    number = int(np.argmax(junctions.sides.all(1) & (junctions.begin > 30)))
    begin, end = float(junctions.begin[number]), float(junctions.end[number])
    frame = round((begin - 12) / 15 * 20)
    mask = world.frame(frame).mask
    view = world.view(frame)
    ground = see_ground(world.course, begin - 12, view, 120)
    inside = (ground.station > begin + 1) & (ground.station < end - 1)
    before = (ground.station > begin - 6) & (ground.station < begin - 1)
    assert inside.sum() > 3
    assert not (mask[ground.top :][inside] == LINES).any()
    assert (mask[ground.top :][before] == LINES).any()


def test_negative_density_is_refused():
    with pytest.raises(ValueError, match='junctions must be from 0 to 4, got -1'):
        SynthConfig(junctions=-1.0)
