import dataclasses
import functools

import numpy as np
import pytest

from signattn.masks import GROUND, LINES, NOTHING, SCENERY
from signattn.synthetic import SynthConfig, SynthDrive
from signattn.synthetic.bend import CONTRAST, bend_ahead, causal_mask

STRAIGHT = SynthConfig(
    duration=0.2,
    curvature=0.0,
    speed=15.0,
    width=160,
    height=120,
    fov_deg=40,
    wander=0,
    motion=0,
    hills=0,
    traffic=0,
    roadside=0,
    junctions=0,
    masks='causal',
)


@functools.cache
def straight(**changes):
    return SynthDrive(dataclasses.replace(STRAIGHT, **changes))


def row_at(ahead, camera):
    """Row that shows the level ground at a distance in metres."""
    angle = np.arctan(camera.above_road / ahead) - camera.pitch
    return round(camera.cy + camera.focal_length * np.tan(angle))


@pytest.mark.parametrize('by', [-0.002, 0.002])
def test_straight_road_is_bent_into_a_parabola_from_the_car_on(by):
    road = straight()._road
    bent = bend_ahead(road, 10.0, by).course
    ahead = np.clip(bent.station - 10, 0, 60)
    near = bent.station < 70
    np.testing.assert_allclose(bent.y[near], (by * ahead**2 / 2)[near], atol=0.01)
    np.testing.assert_array_equal(bent.y[bent.station <= 10], 0)
    assert bent.station[0] <= -30
    assert bent.station[-1] > 800


def test_road_that_is_bent_by_nothing_stays():
    drive = straight(curvature=0.004, roadside=1, wander=0.2)
    road = drive._road
    bent = bend_ahead(road, 10.0, 0.0)
    np.testing.assert_allclose(
        bent.course.x, road.course.at_station(bent.course.station, road.course.x)
    )
    np.testing.assert_allclose(
        bent.course.y, road.course.at_station(bent.course.station, road.course.y)
    )
    begin = np.searchsorted(road.roadside.station, bent.roadside.station[0])
    stood = road.roadside.part(slice(begin, begin + bent.roadside.x.size))
    np.testing.assert_allclose(bent.roadside.x, stood.x)
    np.testing.assert_allclose(bent.roadside.y, stood.y)


def test_things_keep_their_place_beside_the_road():
    road = straight(roadside=1)._road
    bent = bend_ahead(road, 0.0, 0.003)
    things, course = bent.roadside, bent.course
    left = road.roadside.y[np.searchsorted(road.roadside.station, things.station[0]) :]
    left = left[: things.y.size]  # on a straight road along x
    heading = course.at_station(things.station, course.heading)
    dx = things.x - course.at_station(things.station, course.x)
    dy = things.y - course.at_station(things.station, course.y)
    assert things.station.size > 50
    np.testing.assert_allclose(np.cos(heading) * dy - np.sin(heading) * dx, left, atol=1e-4)
    np.testing.assert_allclose(np.cos(heading) * dx + np.sin(heading) * dy, 0, atol=2e-3)


def test_change_counts_beyond_the_contrast_alone():
    picture = np.full((1, 4, 4), 100, np.uint8)
    other = picture.copy()
    other[0, 0, 1] += CONTRAST
    other[0, 1, 1] += CONTRAST + 1
    other[0, 2, 2] -= CONTRAST + 1
    other[0, 3, 3] = 0  # the fourth value means nothing
    shows = np.full((1, 4), GROUND, np.uint8)
    mask = causal_mask(picture, shows, [(other, shows)])
    assert mask.tolist() == [[NOTHING, GROUND, GROUND, NOTHING]]


@pytest.mark.parametrize(
    ('first', 'second', 'expected'),
    [
        (GROUND, GROUND, GROUND),
        (LINES, GROUND, LINES),
        (GROUND, LINES, LINES),
        (LINES, SCENERY, SCENERY),
        (NOTHING, GROUND, GROUND),
        (NOTHING, NOTHING, SCENERY),  # leaves that cover less than half of a pixel
    ],
)
def test_changed_pixel_is_what_is_foremost(first, second, expected):
    dark, bright = np.zeros((1, 1, 4), np.uint8), np.full((1, 1, 4), 200, np.uint8)
    shown = [np.full((1, 1), value, np.uint8) for value in (first, second)]
    assert causal_mask(dark, shown[0], [(bright, shown[1])]).item() == expected


def test_either_bend_marks():
    same, other = np.zeros((1, 1, 4), np.uint8), np.full((1, 1, 4), 200, np.uint8)
    shown = np.full((1, 1), LINES, np.uint8)
    for bent in ([(same, shown), (other, shown)], [(other, shown), (same, shown)]):
        assert causal_mask(same, shown, bent).item() == LINES
    assert causal_mask(same, shown, [(same, shown)] * 2).item() == NOTHING


@pytest.mark.parametrize('seed', [0, 1])
def test_lines_of_a_straight_road_are_marked_and_its_sky_is_not(seed):
    drive = straight(seed=seed)
    camera = drive.camera
    mask = drive.frame(0).mask
    geometry = straight(seed=seed, masks='geometry').frame(0).mask
    horizon = row_at(1e6, camera)
    assert not mask[: horizon - 2].any()
    assert set(np.unique(mask)) == {NOTHING, GROUND, LINES}
    for ahead in (15.0, 25.0, 40.0):
        row = row_at(ahead, camera)
        # A bend by κ moves a line by f κ Z / 2, here less than a pixel.
        assert camera.focal_length * STRAIGHT.mask_curvature * ahead / 2 < 1
        columns = np.flatnonzero(mask[row] == LINES)
        drawn = np.flatnonzero(geometry[row] == LINES)
        assert columns.size >= 2
        assert all(np.abs(drawn - column).min() <= 2 for column in columns)
        right = camera.cx - camera.focal_length * drive.lanes.right_line / ahead
        if right < 158 and drive._markings.lines[-2].painted[-1]:
            assert np.abs(columns - right - camera.focal_length * np.tan(camera.yaw)).min() < 3


def test_what_is_near_moves_less_than_what_is_far():
    mask = straight().frame(0).mask
    horizon = row_at(1e6, straight().camera)
    far, near = mask[horizon : horizon + 12], mask[-12:]
    assert (far > 0).mean() > 3 * (near > 0).mean()


def test_greater_bend_marks_more():
    less, more = ((straight(mask_curvature=by).frame(0).mask > 0).sum() for by in (2e-5, 1e-3))
    assert more > 1.5 * less > 0


def test_trees_move_with_the_road_and_the_sky_between_them_does_not():
    drive = straight(roadside=2, seed=3)
    mask = drive.frame(0).mask
    above = mask[: row_at(1e6, drive.camera) - 3]
    assert set(np.unique(above)) == {NOTHING, SCENERY}
    assert (above == NOTHING).mean() > 0.1


def test_mask_leaves_the_picture_as_it_is():
    with_mask, without = (
        straight(roadside=1, traffic=1, masks=masks).frame(2) for masks in ('causal', 'none')
    )
    np.testing.assert_array_equal(with_mask.image, without.image)
    assert without.mask is None


def test_mask_is_the_same_whatever_was_drawn_before():
    drive = straight(roadside=1, traffic=1, light='low_sun', weather='clear')
    last = drive.frame(3).mask
    drive.frame(1)
    np.testing.assert_array_equal(drive.frame(3).mask, last)


def test_truck_ahead_hides_the_lines():
    open_road, hidden = (
        straight(lead=lead, seed=3, masks='geometry').frame(0).mask for lead in (0.0, 1.0)
    )
    truck = straight(lead=1.0, seed=3)._cars[0].shape
    assert truck.corners[:, 2].max() > 2.5
    # Its rear, 2.2 m wide or more, is some 16 m away.
    camera = straight().camera
    half = round(camera.focal_length * 1.0 / 20)
    middle = round(camera.cx)
    beyond = slice(row_at(60, camera), row_at(30, camera)), slice(middle - half, middle + half)
    assert (open_road[beyond] == LINES).any()
    assert not (hidden[beyond] == LINES).any()
    assert not ((hidden == LINES) & (open_road != LINES)).any()


@pytest.mark.parametrize(
    ('changes', 'error'),
    [
        ({'masks': 'all'}, r"masks must be one of \['none', 'geometry', 'causal'\], got 'all'"),
        ({'mask_curvature': 0.0}, 'mask_curvature must be from 1e-06 to 0.01 1/m, got 0.0'),
    ],
)
def test_nonsense_is_refused(changes, error):
    with pytest.raises(ValueError, match=error):
        SynthConfig(**changes)
