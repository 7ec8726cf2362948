import dataclasses
import math
import zipfile

import cv2
import numpy as np
import pytest

from signattn.bag import BagError, open_recording
from signattn.masks import GROUND, SCENERY
from signattn.synthetic import SynthConfig, SynthDrive, frames, masks_path, synth
from signattn.synthetic.canvas import Canvas
from signattn.synthetic.cars import CarShape
from signattn.synthetic.course import Course, read_trace, winding_curvature
from signattn.synthetic.ground import see_ground
from signattn.synthetic.traffic import Car, draw_car
from signattn.vehicle import load_vehicle, steering_from_curvature

BARE = SynthConfig(
    duration=0.2,
    curvature=0.0,
    speed=15.0,
    width=160,
    height=120,
    fov_deg=50,
    wander=0,
    motion=0,
    hills=0,
    traffic=0,
    roadside=0,
    masks='geometry',
)
TRACE = 'timestamp,angle,torque,speed\n'


def bare(**changes):
    return dataclasses.replace(BARE, **changes)


def write_trace(path, seconds, angle, speed):
    rows = [f'{1479424215880976321 + k * 50_000_000},{angle},0.1,{speed}'
            for k in range(round(seconds * 20) + 1)]  # fmt: skip
    path.write_text(TRACE + '\n'.join(rows) + '\n')
    return path


def distance_at(row, camera):
    """Metres to the level ground that a row shows, and its depth along the optical axis."""
    below = camera.pitch + math.atan((row - camera.cy) / camera.focal_length)
    ahead = camera.above_road / math.tan(below)
    return ahead, ahead * math.cos(camera.pitch) + camera.above_road * math.sin(camera.pitch)


def row_at(ahead, camera):
    """Row that shows the level ground at a distance in metres."""
    angle = math.atan(camera.above_road / ahead) - camera.pitch
    return round(camera.cy + camera.focal_length * math.tan(angle))


def column_of(left, depth, camera):
    """Column of a point of a straight road, from its place left of the camera."""
    straight_on = camera.cx + camera.focal_length * math.tan(camera.yaw)
    return straight_on - camera.focal_length * left / depth


def lines_of(drive):
    lanes = drive.lanes
    lines = [(line.across, line.width / 2) for line in drive._markings.lines]
    ragged = 0.06 + 0.21  # m, the edges of the asphalt aren't straight
    return [*lines, (lanes.left_edge, ragged), (lanes.right_edge, ragged)]


@pytest.mark.parametrize('seed', [0, 1, 2])
def test_mask_of_a_straight_road_is_where_its_lines_project(seed):
    drive = SynthDrive(bare(seed=seed))
    mask = drive.frame(0).mask
    assert mask.shape == (120, 160)
    assert mask.sum() > 200
    for row, column in np.argwhere(mask):
        ahead, depth = distance_at(row, drive.camera)
        if ahead > 80:
            continue  # a row shows many metres of road there
        beyond = []
        for left, half in lines_of(drive):
            # Half a row's change of the column, and half the width.
            reach = abs(left) / drive.camera.above_road / 2
            reach += drive.camera.focal_length * half / depth
            beyond.append(abs(column - column_of(left, depth, drive.camera)) - reach)
        assert min(beyond) < 1.0


def test_solid_line_is_in_the_mask_in_every_near_row():
    drive = SynthDrive(bare(seed=0))
    mask = drive.frame(0).mask
    for row in range(80, 120):
        _, depth = distance_at(row, drive.camera)
        column = round(column_of(drive.lanes.right_line, depth, drive.camera))
        if 0 <= column < 160:
            assert mask[row, column]


def test_straight_road_is_symmetric_about_the_middle_of_the_lane():
    drive = SynthDrive(bare(seed=0))
    view = dataclasses.replace(drive.view(0), heading=0.0)
    ground = see_ground(drive.course, 0.0, view, 120)
    left = ground.columns_of(drive.lanes.width / 2, view)
    right = ground.columns_of(-drive.lanes.width / 2, view)
    np.testing.assert_allclose(left + right, 2 * drive.camera.cx, atol=1e-6)


def test_left_bend_moves_the_far_lane_to_the_left():
    curvature = 0.008
    straight, bent = SynthDrive(bare()), SynthDrive(bare(curvature=curvature))
    straight_ground, bent_ground = (
        see_ground(drive.course, 0.0, drive.view(0), 120) for drive in (straight, bent)
    )
    row = row_at(30.0, bent.camera)
    ahead, _ = distance_at(row, bent.camera)
    assert 25 < ahead < 40
    moved = (
        straight_ground.columns_of(0.0, straight.view(0))[row - straight_ground.top]
        - bent_ground.columns_of(0.0, bent.view(0))[row - bent_ground.top]
    )
    # x = f · (κ Z² / 2) / Z
    assert moved == pytest.approx(bent.camera.focal_length * curvature * ahead / 2, rel=0.03)


@pytest.mark.parametrize('curvature', [-0.005, 0.0, 0.005])
def test_bend_moves_the_lines_in_the_mask(curvature):
    drive = SynthDrive(bare(curvature=curvature))
    camera = drive.camera
    row = row_at(20.0, camera)
    ahead, depth = distance_at(row, camera)
    marked = np.flatnonzero(drive.frame(0).mask[row])
    for line in (drive.lanes.right_line, drive.lanes.left_line):
        # A left bend moves what is ahead to the left by f · (κ Z² / 2) / Z.
        moved = camera.focal_length * curvature * ahead / 2
        column = column_of(line, depth, camera) - moved
        assert np.abs(marked - column).min() < 1.5


def test_crest_hides_the_road_behind_it():
    drive = SynthDrive(bare())
    course = drive.course
    ahead = np.clip(course.station - 20, 0, None)
    dropping = dataclasses.replace(course, z=-0.005 * ahead**2)
    level, crest = (see_ground(road, 0.0, drive.view(0), 120) for road in (course, dropping))
    assert level.depth.max() > 100
    # The line of sight h / Z touches 0.005 (Z − 20)² where Z² = 20² + h / 0.005.
    touch = math.sqrt(400 + drive.camera.above_road / 0.005)
    assert crest.depth.max() == pytest.approx(touch, rel=0.15)
    assert crest.skyline > level.skyline


def test_road_coordinates_of_pixels_agree_with_projected_points():
    drive = SynthDrive(bare(curvature=0.01))
    view = drive.view(0)
    ground = see_ground(drive.course, 0.0, view, 120)
    tangent = (np.arange(160) - drive.camera.cx) / drive.camera.focal_length
    across, along = ground.lateral(tangent)
    radius = 100.0
    for row, column in ((70, 40), (80, 120), (110, 80)):
        index = row - ground.top
        depth = ground.depth[index]
        ahead, _ = distance_at(row, drive.camera)
        left = -tangent[column] * depth
        cos, sin = math.cos(drive.camera.yaw), math.sin(drive.camera.yaw)
        x, y = ahead * cos - left * sin, ahead * sin + left * cos
        assert across[index, column] == pytest.approx(radius - math.hypot(x, radius - y), abs=0.05)
        station = radius * math.atan2(x, radius - y)
        assert ground.station[index] + along[index, column] == pytest.approx(station, abs=0.15)


def test_car_hides_the_road_and_leaves_the_rest():
    drive = SynthDrive(bare())
    canvas = Canvas(np.zeros((120, 160, 4), np.uint8), np.full((120, 160), GROUND, np.uint8))
    shape = CarShape.drawn(np.random.default_rng(0))
    car = Car(shape, oncoming=False, across=0.0, place=lambda _: 15.0)
    draw_car(canvas, car, 15.0, drive.course, drive.view(0), 119.0, 1.0)
    hidden = canvas.mask == SCENERY
    width = drive.camera.focal_length * 2 * np.abs(shape.corners[14:, 1]).max() / 13
    columns = np.flatnonzero(hidden.any(0))
    assert np.ptp(columns) == pytest.approx(width, abs=3)
    assert not hidden[:, :20].any()
    assert not hidden[:, -20:].any()


def test_car_behind_a_crest_is_not_drawn():
    drive = SynthDrive(bare())
    canvas = Canvas(np.zeros((120, 160, 4), np.uint8), np.full((120, 160), GROUND, np.uint8))
    shape = CarShape.drawn(np.random.default_rng(0))
    car = Car(shape, oncoming=True, across=3.0, place=lambda _: 30.0)
    draw_car(canvas, car, 30.0, drive.course, drive.view(0), -5.0, 1.0)
    assert (canvas.mask == GROUND).all()
    assert not canvas.picture.any()


def test_steering_follows_the_curvature():
    config = bare(curvature=0.01, speed=20.0)
    frame = SynthDrive(config).frame(3)
    assert frame.curvature == pytest.approx(0.01)
    assert frame.speed == 20.0
    # 2.8498 m · 14.8 · (1 + 0.0014 · 20²) · 0.01 1/m
    assert frame.steering_angle == pytest.approx(0.657962, abs=1e-6)


def test_steering_of_a_winding_drive_is_eq_3_of_curvature_and_speed():
    config = bare(curvature=None, speed=None, duration=5.0, wander=0.2)
    course = SynthDrive(config).course
    expected = steering_from_curvature(course.curvature, course.speed, load_vehicle())
    np.testing.assert_allclose(course.steering_angle, expected)
    turned = np.interp(course.travelled[-1], course.station, course.heading)
    driven = np.sum((course.curvature * course.speed)[1:] * 0.01)
    assert turned == pytest.approx(driven, abs=0.002)


def test_wander_leaves_the_lane_and_comes_back_with_matching_steering():
    course = SynthDrive(bare(duration=20.0, wander=0.2)).course
    assert np.abs(course.offset).max() < 1.2
    assert course.offset.std() == pytest.approx(0.2, abs=0.1)
    assert np.ptp(course.steering_angle) > 0.01
    # The road itself is straight.
    middle = course.y - course.offset * np.cos(course.heading)
    line = np.polynomial.Polynomial.fit(course.station, middle, 1)
    np.testing.assert_allclose(middle, line(course.station), atol=0.05)


def test_winding_roads_stay_drivable():
    curvature = winding_curvature(20_000, np.random.default_rng(0))
    assert np.abs(curvature).max() < 0.045
    assert curvature.std() > 0.001
    assert np.abs(np.diff(curvature)).max() < 0.004


def test_same_seed_gives_the_same_frames_whatever_was_drawn_before():
    config = SynthConfig(duration=0.5, seed=5, width=160, height=120, masks='geometry')
    first = list(frames(config))
    assert len(first) == 10
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        again = SynthDrive(config).frame(7)
    finally:
        cv2.setNumThreads(threads)
    np.testing.assert_array_equal(again.image, first[7].image)
    np.testing.assert_array_equal(again.mask, first[7].mask)
    assert again.steering_angle == first[7].steering_angle


def test_other_seed_gives_other_frames():
    first, other = (
        SynthDrive(SynthConfig(duration=0.1, seed=seed, width=160, height=120)).frame(0)
        for seed in (5, 6)
    )
    assert first.mask is None
    assert np.abs(first.image.astype(int) - other.image).mean() > 5
    assert first.stamp_ns != other.stamp_ns


def test_stamps_are_exactly_50_ms_apart():
    stamps = [frame.stamp_ns for frame in frames(bare())]
    assert np.diff(stamps).tolist() == [50_000_000] * 3


def test_frame_outside_the_drive_is_an_error():
    with pytest.raises(IndexError, match='index must be from 0 to 3, got 4'):
        SynthDrive(bare()).frame(4)


def test_standing_car_sees_one_geometry(tmp_path):
    trace = write_trace(tmp_path / 'trace.csv', 1.0, 0.3, 0.0)
    config = bare(curvature=None, speed=None, trace=trace, motion=1.0, wander=0.2, duration=1.0)
    drawn = list(frames(config))
    assert len(drawn) == 20
    for frame in drawn[1:]:
        np.testing.assert_array_equal(frame.mask, drawn[0].mask)
    assert {frame.steering_angle for frame in drawn} == {0.3}


def test_trace_is_followed(tmp_path):
    trace = write_trace(tmp_path / 'trace.csv', 4.0, 0.4, 10.0)
    config = bare(curvature=None, speed=None, trace=trace, trace_start=1.0, duration=60.0)
    drive = SynthDrive(config)
    assert len(drive) == 60  # what is left of the trace
    # 0.4 / (2.8498 · 14.8 · (1 + 0.0014 · 10²))
    frame = drive.frame(59)
    assert frame.curvature == pytest.approx(0.00831917, rel=1e-5)
    assert frame.steering_angle == pytest.approx(0.4)
    course: Course = drive.course
    assert course.travelled[-1] == pytest.approx(30.0)
    heading = np.interp(30.0, course.station, course.heading)
    assert heading == pytest.approx(30.0 * 0.00831917, rel=1e-4)


@pytest.mark.parametrize(
    ('text', 'error'),
    [
        ('timestamp,angle\n1,2\n', "columns must contain 'speed', got"),
        ('', "columns must contain 'timestamp'"),
        (TRACE + '1,0,0,5\n', 'must hold at least 2 rows, got 1'),
        (TRACE + '1,0,0,5\n2,nan,0,5\n', "line 3: angle must be a finite number, got 'nan'"),
        (TRACE + '1,0,0,5\n2,0,0,\n', "line 3: speed must be a finite number, got ''"),
        (TRACE + '1,0,0,5\n2,0\n', 'line 3: speed must be a finite number, got None'),
        (TRACE + '1,0,0,-5\n', 'line 2: speed must be at least 0 m/s, got -5'),
        (TRACE + '1.5,0,0,5\n', "line 2: timestamp must be whole nanoseconds, got '1.5'"),
        (TRACE + '-1,0,0,5\n', 'line 2: timestamp must be from 0, got -1'),
        (TRACE + '5,0,0,5\n5,0,0,5\n', 'line 3: timestamp must be later than 5, got 5'),
        (
            TRACE + '0,0,0,5\n1500000000,0,0,5\n',
            'line 3: timestamp must be within 1.0 s of the line before, got 1.500 s',
        ),
    ],
)
def test_unusable_trace_is_an_error(tmp_path, text, error):
    path = tmp_path / 'trace.csv'
    path.write_text(text)
    with pytest.raises(ValueError, match=f'trace.csv.*{error}'):
        read_trace(path)


def test_gap_of_a_second_in_a_trace_is_bridged(tmp_path):
    path = tmp_path / 'trace.csv'
    path.write_text(TRACE + '0,0,0,5\n1000000000,0,0,5\n')
    assert read_trace(path)[0].tolist() == [0, 1_000_000_000]


def test_missing_trace_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r'none.csv must be a readable CSV file, got'):
        read_trace(tmp_path / 'none.csv')


def test_start_behind_the_end_of_a_trace_is_an_error(tmp_path):
    trace = write_trace(tmp_path / 'trace.csv', 2.0, 0.1, 5.0)
    with pytest.raises(ValueError, match=r'trace_start must be before the end of .* at 2.00 s'):
        SynthDrive(SynthConfig(trace=trace, trace_start=2.0))


@pytest.mark.parametrize(
    ('changes', 'error'),
    [
        ({'duration': 0.0}, 'duration must be from 0.05 to 86400 s, got 0.0'),
        ({'duration': math.nan}, 'duration must be finite, got nan'),
        ({'seed': -1}, 'seed must be from 0'),
        ({'format': 'zip'}, "format must be one of .*, got 'zip'"),
        ({'trace_start': 1.0}, 'trace_start must be 0 without a trace, got 1.0'),
        ({'trace': 'a.csv', 'speed': 1.0}, 'curvature and speed must be left out with a trace'),
        ({'curvature': 0.2}, 'curvature must be from -0.1 to 0.1 1/m, got 0.2'),
        ({'speed': -1.0}, 'speed must be from 0 to 60 m/s, got -1.0'),
        ({'width': 10}, 'width must be from 64 to 4096 px, got 10'),
        ({'height': 10}, 'height must be from 48 to 4096 px, got 10'),
        ({'rate_hz': 0.0}, 'rate_hz must be from 1 to 200 Hz, got 0.0'),
        ({'fov_deg': 5.0}, 'fov_deg must be from 10 to 100 deg, got 5.0'),
        ({'wander': 1.0}, 'wander must be from 0 to 0.6 m, got 1.0'),
        ({'traffic': -1.0}, 'traffic must be from 0 to 4, got -1.0'),
        ({'quality': 0}, 'quality must be from 1 to 100, got 0'),
    ],
)
def test_nonsense_is_refused(changes, error):
    with pytest.raises(ValueError, match=error):
        SynthConfig(**changes)


@pytest.mark.parametrize(('kind', 'name'), [('mcap', 'drive'), ('ros1', 'drive.bag')])
def test_bag_holds_the_drive(tmp_path, kind, name):
    config = bare(format=kind, curvature=0.01)
    out = synth(tmp_path / name, config)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, 'drive.masks.zip'])
    drive = SynthDrive(config)
    with open_recording(out) as recording:
        images = list(recording.images())
        signals = recording.signals()
        names = {topic.name for topic in recording.topics}
    assert '/center_camera/camera_info' in names
    assert [image.stamp_ns for image in images] == [drive.stamp_ns(index) for index in range(4)]
    assert np.abs(images[2].rgb().astype(int) - drive.frame(2).image).mean() < 4
    assert np.diff(signals.steering.stamp_ns).tolist() == [20_000_000] * 10
    assert signals.steering.stamp_ns[0] == images[0].stamp_ns
    np.testing.assert_allclose(signals.steering.values, drive.frame(0).steering_angle, rtol=1e-6)
    np.testing.assert_allclose(signals.speed.values, 15.0)


def test_masks_lie_beside_the_bag(tmp_path):
    out = synth(tmp_path / 'drive', bare())
    drawn = list(frames(bare()))
    with zipfile.ZipFile(masks_path(out)) as archive:
        assert archive.namelist() == [f'{frame.stamp_ns}.png' for frame in drawn]
        data = archive.read(f'{drawn[2].stamp_ns}.png')
    stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(stored, drawn[2].mask)


def test_taken_place_is_an_error_and_stays_as_it_was(tmp_path):
    (tmp_path / 'drive').mkdir()
    with pytest.raises(BagError, match='must not exist yet'):
        synth(tmp_path / 'drive', bare())
    assert list((tmp_path / 'drive').iterdir()) == []


def test_taken_place_of_the_masks_is_an_error_and_leaves_no_bag(tmp_path):
    masks_path(tmp_path / 'drive').write_text('older')
    with pytest.raises(ValueError, match=r'drive.masks.zip must not exist yet'):
        synth(tmp_path / 'drive', bare())
    assert [path.name for path in tmp_path.iterdir()] == ['drive.masks.zip']


def test_failure_in_the_middle_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError('enough')

    monkeypatch.setattr(SynthDrive, 'frame', fail)
    with pytest.raises(RuntimeError, match='enough'):
        synth(tmp_path / 'drive', bare())
    assert list(tmp_path.iterdir()) == []
