"""The camera of synthetic drives: options and files, lens, shutter, bonnet."""

import dataclasses
import math
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from signattn.cli import main
from signattn.masks import LINES
from signattn.synthetic import CameraConfig, SynthConfig, SynthDrive, idle, load_camera
from signattn.synthetic.bonnet import Bonnet
from signattn.synthetic.camera import Camera, View
from signattn.synthetic.canvas import Canvas
from signattn.synthetic.lens import MARGIN, Lens, Moment

SHIPPED = sorted((Path(__file__).parents[1] / 'config' / 'camera').glob('*.yaml'))
BARE = SynthConfig(
    duration=0.2,
    curvature=0.0,
    speed=15.0,
    width=160,
    height=120,
    fov_deg=60,
    horizon=0.4,
    camera_yaw_deg=0.0,
    wander=0,
    motion=0,
    hills=0,
    traffic=0,
    junctions=0,
    roadside=0,
    masks='geometry',
)


def camera_of(**options):
    options = {'width': 160, 'height': 120, 'fov_deg': 60.0, **options}
    return Camera.drawn(CameraConfig(**options), np.random.default_rng(0))


def view_of(camera, **changes):
    still = View(camera, x=0.0, y=0.0, z=camera.above_road, heading=0.0, pitch=0.0, roll=0.0)
    return dataclasses.replace(still, **changes)


def canvas_of(camera, value=0):
    picture = np.full((camera.height, camera.width, 4), value, np.uint8)
    return Canvas(picture, np.zeros(picture.shape[:2], np.uint8))


@pytest.mark.parametrize('path', SHIPPED, ids=lambda path: path.stem)
def test_shipped_cameras_can_be_imitated(path):
    options = load_camera(path.stem)
    assert set(options) == set(yaml.safe_load(path.read_text()))
    drive = SynthDrive(SynthConfig(duration=0.05, **options))
    assert drive.frame(0).image.shape == (options['height'], options['width'], 3)


def test_there_are_shipped_cameras():
    assert [path.stem for path in SHIPPED] == ['dashcam', 'udacity']


def test_a_camera_file_of_ones_own(tmp_path):
    path = tmp_path / 'own.yaml'
    path.write_text('width: 320\ndistortion: [-0.1, 0.01]\nexposure: 1.5\n')
    assert load_camera(path) == {'width': 320, 'distortion': (-0.1, 0.01), 'exposure': 1.5}


@pytest.mark.parametrize(
    ('text', 'error'),
    [
        ('horizn: 0.4', "got 'horizn'; did you mean 'horizon'?"),
        ('duration: 5', "key must be one of ['blur', "),
        ('width: wide', "width must be a number, got 'wide'"),
        ('width: 320.5', 'width must be whole, got 320.5'),
        ('width: true', 'width must be a number, got True'),
        ('grey: maybe', "grey must be true or false, got 'maybe'"),
        ('exposure: slow', "exposure must be 'profile', 'auto' or a number, got 'slow'"),
        ('exposure: 100', 'exposure must be from 0.015625 to 64, got 100'),
        ('brightness: 80', "brightness must be left out without exposure 'auto', got 80"),
        ('bonnet_gloss: 0.4', 'bonnet_gloss must be left out without a bonnet, got 0.4'),
        ('{grey: true, saturation: 2}', 'saturation must be left out in grey, got 2'),
        ('distortion: 0.1', 'distortion must be a list of at most 5 coefficients, got 0.1'),
        ('distortion: [1, 1, 1, 1, 1, 1]', 'must be a list of at most 5 coefficients, got (1,'),
        ('distortion: [x]', "distortion must be a number, got 'x'"),
        ('{bonnet: 0.2, bonnet_colour: [1, 2]}', 'bonnet_colour must be a list of 3 values'),
        ('{bonnet: 0.2, bonnet_colour: [1, 2, 300]}', 'bonnet_colour must be from 0 to 255'),
        ('blur: .nan', 'blur must be finite, got nan'),
        ('- 5', 'must hold a mapping, got list'),
    ],
)
def test_a_wrong_camera_file_is_refused_by_its_name(tmp_path, text, error):
    path = tmp_path / 'own.yaml'
    path.write_text(text)
    with pytest.raises(ValueError, match=re.escape(error)) as caught:
        load_camera(path)
    assert str(path) in str(caught.value)


def test_a_camera_that_is_not_shipped_is_refused():
    text = r"^camera must be one of \['dashcam', 'udacity'\] or a \.yaml file, got 'udacty'$"
    with pytest.raises(ValueError, match=text):
        load_camera('udacty')


@pytest.mark.parametrize(
    ('changes', 'error'),
    [
        ({'horizon': 0.05}, 'horizon must be from 0.1 to 0.9, got 0.05'),
        ({'camera_height': 5}, 'camera_height must be from 0.5 to 4 m, got 5'),
        ({'camera_yaw_deg': 11}, 'camera_yaw_deg must be from -10 to 10 deg, got 11'),
        ({'bonnet': 0.6}, 'bonnet must be from 0 to 0.5, got 0.6'),
        ({'saturation': -1}, 'saturation must be from 0 to 3, got -1'),
        ({'exposure_bias': 5}, 'exposure_bias must be from -4 to 4 EV, got 5'),
        ({'shutter_ms': 200}, 'shutter_ms must be from 0 to 100 ms, got 200'),
        ({'gamma': 0}, 'gamma must be from 0.3 to 4, got 0'),
        ({'contrast': 9}, 'contrast must be from 0.3 to 4, got 9'),
        ({'shoulder': 2}, 'shoulder must be from 0 to 1, got 2'),
        ({'blur': 4}, 'blur must be from 0.05 to 3 px, got 4'),
        ({'vignette': 1}, 'vignette must be from 0 to 0.95, got 1'),
        ({'noise': 50}, 'noise must be from 0 to 40, got 50'),
        ({'gain_noise': 3}, 'gain_noise must be from 0 to 2, got 3'),
        ({'motion': 5}, 'motion must be from 0 to 4, got 5'),
    ],
)
def test_a_camera_beyond_its_bounds_is_refused(changes, error):
    with pytest.raises(ValueError, match=re.escape(error)):
        CameraConfig(**changes)


def test_what_an_option_needs_is_told():
    assert idle({'exposure': 'auto', 'bonnet': 0.1, 'grey': False}) == {}
    assert set(idle({'exposure': 2.0, 'bonnet': 0.0, 'grey': True})) == {
        'brightness',
        'exposure_lag',
        'bonnet_colour',
        'bonnet_gloss',
        'saturation',
    }


def written_config(monkeypatch, *arguments):
    """The options of `signattn synth` as they come from the command line."""
    got = []
    monkeypatch.setattr('signattn.synthetic.synth', lambda out, config: got.append(config) or out)
    assert main(['synth', 'x', *arguments]) == 0
    return got[0]


def test_options_override_the_camera_file_wherever_they_stand(monkeypatch):
    options = ('--horizon', '0.5', '--camera', 'udacity', '--quality', '95')
    config = written_config(monkeypatch, *options)
    assert (config.horizon, config.quality) == (0.5, 95)
    assert (config.width, config.height, config.grey) == (324, 244, True)


def test_what_belongs_to_an_exposure_of_the_file_goes_with_it(monkeypatch):
    config = written_config(monkeypatch, '--camera', 'udacity', '--exposure', '2')
    assert (config.exposure, config.brightness, config.exposure_lag) == (2.0, None, None)


def test_without_a_camera_file_nothing_is_given(monkeypatch):
    assert written_config(monkeypatch) == SynthConfig()


@pytest.mark.parametrize(
    ('arguments', 'error'),
    [
        (('--camera', 'none'), "camera must be one of ['dashcam', 'udacity'] or a .yaml file"),
        (('--brightness', '80'), "brightness must be left out without exposure 'auto'"),
        (('--horizn', '0.4'), "did you mean '--horizon'?"),
    ],
)
def test_wrong_options_of_a_camera_end_the_command(tmp_path, capsys, arguments, error):
    assert main(['synth', str(tmp_path / 'x'), *arguments]) == 1
    assert error in capsys.readouterr().err


def test_distortion_moves_a_point_as_brown_and_conrady_say():
    camera = camera_of(distortion=(-0.2, 0.04))
    # r² = 0.25: 1 - 0.2 · 0.25 + 0.04 · 0.0625 = 0.9525
    right, down = camera.bent(np.array(0.5), np.array(0.0))
    assert (float(right), float(down)) == pytest.approx((0.47625, 0.0))


def test_distortion_is_that_of_opencv():
    coefficients = (-0.21, 0.05, 0.004, -0.003, 0.01)
    camera = camera_of(distortion=coefficients)
    f, cx, cy = camera.focal_length, camera.cx, camera.cy
    points = np.random.default_rng(1).uniform(-0.5, 0.5, (20, 3))
    points[:, 2] = 1
    seen, _ = cv2.projectPoints(
        points,
        np.zeros(3),
        np.zeros(3),
        np.array([[f, 0, cx], [0, f, cy], [0, 0, 1]]),
        np.array(coefficients),
    )
    column, row = camera.distorted(cx + f * points[:, 0], cy + f * points[:, 1])
    np.testing.assert_allclose(np.stack([column, row], -1), seen[:, 0], atol=1e-6)


@pytest.mark.parametrize('distortion', [(), (-0.25, 0.06), (0.1,), (-0.2, 0.03, 0.01, -0.01)])
def test_the_lens_can_be_undone(distortion):
    camera = camera_of(distortion=distortion)
    column, row = np.meshgrid(np.linspace(0, 159, 9), np.linspace(0, 119, 7))
    back = camera.distorted(*camera.flat(column, row))
    np.testing.assert_allclose(back, [column, row], atol=1e-3)


@pytest.mark.parametrize('distortion', [(), (-0.25, 0.06), (0.1,)])
def test_field_of_view_and_horizon_are_those_of_the_distorted_picture(distortion):
    camera = camera_of(distortion=distortion, horizon=0.3)
    left, _ = camera.flat(np.array(camera.cx - 80), np.array(camera.cy))
    half = math.degrees(math.atan((camera.cx - float(left)) / camera.focal_length))
    assert half == pytest.approx(30, abs=1e-3)
    view = view_of(camera, pitch=camera.pitch)
    row = camera.distorted(np.array(camera.cx), np.array(view.horizon))[1]
    assert float(row) == pytest.approx(camera.cy + (0.3 - 0.5) * 120, abs=1e-3)


@pytest.mark.parametrize('distortion', [(-0.9,), (-0.1, -0.5), (-3.1,)])
def test_a_lens_that_folds_the_picture_is_refused(distortion):
    with pytest.raises(ValueError, match='distortion must '):
        camera_of(distortion=distortion, fov_deg=90.0)


def test_what_is_given_of_a_camera_leaves_the_other_draws():
    drawn, given = camera_of(fov_deg=None), camera_of(fov_deg=None, horizon=0.5)
    assert (drawn.focal_length, drawn.above_road) == (given.focal_length, given.above_road)
    assert drawn.pitch > 0.01
    assert given.pitch == 0


def test_a_lens_bends_the_lines_to_where_they_project():
    drive = SynthDrive(dataclasses.replace(BARE, distortion=(-0.3, 0.08)))
    camera, mask = drive.camera, drive.frame(0).mask
    assert (mask == LINES).sum() > 100
    view = drive.view(0)
    ahead = np.linspace(4, 12, 9)
    left = np.full(9, drive.lanes.right_line)
    flat = view.project(view.x + ahead, view.y + left, np.zeros(9))
    column, row = camera.distorted(flat[0], flat[1])
    inside = (column > 1) & (column < 158) & (row < 118)
    assert inside.sum() >= 4
    for x, y in zip(column[inside], row[inside], strict=True):
        near = mask[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2]
        assert (near == LINES).any()
    # Without the lens they would lie elsewhere.
    assert np.abs(column - flat[0])[inside].max() > 2


def test_a_straight_still_lens_shows_the_middle_of_the_canvas():
    camera = camera_of()
    lens = Lens(camera, 0.0, 0.0)
    assert (lens.wide.width, lens.wide.height) == (160 + 2 * MARGIN, 120 + 2 * MARGIN)
    canvas = canvas_of(lens.wide)
    canvas.picture[:] = np.random.default_rng(0).integers(0, 256, canvas.picture.shape)
    seen = lens(canvas, view_of(lens.wide))
    middle = canvas.picture[MARGIN:-MARGIN, MARGIN:-MARGIN]
    np.testing.assert_array_equal(seen.picture, middle)


@pytest.mark.parametrize('moments', [(), (Moment(right=1.0), Moment(right=-1.0))])
def test_a_camera_that_rolls_to_its_right_sees_the_right_side_rise(moments):
    camera = camera_of(width=161, height=121)
    lens = Lens(camera, 0.1, 2.0)
    canvas = canvas_of(lens.wide)
    # 50 px right of the middle; rolled by 0.1 rad it stands 50 · sin(0.1) = 5 px higher.
    canvas.picture[round(lens.wide.cy), round(lens.wide.cx) + 50] = 255
    seen = lens(canvas, view_of(lens.wide, roll=0.1), moments).picture[..., 0].astype(float)
    rows, columns = np.indices(seen.shape)
    assert (rows * seen).sum() / seen.sum() == pytest.approx(60 - 4.99, abs=0.3)
    assert (columns * seen).sum() / seen.sum() == pytest.approx(80 + 49.75, abs=0.3)


def test_the_canvas_is_large_enough_for_roll_and_lens():
    straight, bent = camera_of(), camera_of(distortion=(-0.3, 0.08))
    assert Lens(straight, 0.5, 0.0).wide.width > 160 + 2 * 0.5 * 59
    wide = Lens(bent, 0.0, 0.0).wide
    corner = bent.flat(np.array(0.0), np.array(0.0))
    assert float(corner[0]) - bent.cx > -wide.cx
    assert float(corner[1]) - bent.cy > -wide.cy
    assert wide.distortion == (0, 0, 0, 0, 0)


def test_a_shutter_spreads_what_moves_evenly():
    lens = Lens(camera_of(), 0.0, 3.0)
    canvas = canvas_of(lens.wide)
    canvas.picture[:, round(lens.wide.cx - 79.5) + 50] = 240
    moments = tuple(Moment(right=shift) for shift in (-2.0, -1.0, 0.0, 1.0, 2.0))
    seen = lens(canvas, view_of(lens.wide), moments).picture[60, :, 0]
    np.testing.assert_array_equal(seen[46:55], [0, 0, 48, 48, 48, 48, 48, 0, 0])


def test_what_comes_nearer_moves_away_from_the_vanishing_point():
    camera = camera_of(horizon=0.5, camera_height=1.2)
    lens = Lens(camera, 0.0, 5.0)
    canvas = canvas_of(lens.wide)
    below = 30.5
    canvas.picture[round(lens.wide.cy + below)] = 255
    # Depth f · 1.2 / 30.5; nearer by 0.5 m the row lies at 30.5 · depth / (depth - 0.5).
    depth = camera.focal_length * 1.2 / below
    moments = (Moment(ahead=0.5), Moment(ahead=0.5))
    seen = lens(canvas, view_of(lens.wide), moments).picture[:, 80, 0].astype(float)
    row = (np.arange(120) * seen).sum() / seen.sum()
    assert row - camera.cy == pytest.approx(below * depth / (depth - 0.5), abs=0.3)


def test_an_exposure_has_as_many_moments_as_the_motion_needs():
    lens = Lens(camera_of(), 0.0, 0.0)
    still = view_of(lens.wide)
    assert lens.moments(still, still, 0.0) == (Moment(),)
    turned = view_of(lens.wide, heading=4.4 / lens.wide.focal_length)
    moments = lens.moments(still, turned, 0.0)
    assert [moment.right for moment in moments] == pytest.approx([-4.4 / 3, 0, 4.4 / 3])


def test_a_longer_shutter_softens_a_drive_and_keeps_its_mask():
    moving = dataclasses.replace(BARE, curvature=0.02, noise=0.0, exposure=1.0, fov_deg=30)
    sharp, soft = (
        SynthDrive(dataclasses.replace(moving, shutter_ms=shutter)).frame(2)
        for shutter in (0.0, 40.0)
    )
    across = [np.abs(np.diff(frame.image[..., 0].astype(int))).mean() for frame in (sharp, soft)]
    assert across[1] < 0.9 * across[0]
    assert (sharp.mask != soft.mask).mean() < 0.01


def bonnet_of(**options):
    config = CameraConfig(width=160, height=120, **options)
    return Bonnet(config, np.random.default_rng(0))


def test_the_bonnet_covers_the_rows_below():
    bonnet = bonnet_of(bonnet=0.25, bonnet_colour=(10, 20, 30), bonnet_gloss=0.0)
    seen = canvas_of(camera_of(), 160)
    seen.mask[:] = LINES
    bonnet.lay(seen)
    # A quarter of 120 rows in the middle; an even light of 160 shows its own colour.
    assert (seen.picture[:89, 80] == 160).all()
    np.testing.assert_array_equal(seen.picture[92:, 80, :3], np.full((28, 3), (10, 20, 30)))
    assert (seen.mask[:89, 80] == LINES).all()
    assert not seen.mask[92:, 80].any()
    # It is arched: lower at the sides.
    assert (seen.picture[92, [0, 159]] == 160).all()
    assert (seen.mask[:80] == LINES).all()


def test_the_bonnet_mirrors_the_sky():
    bonnet = bonnet_of(bonnet=0.25, bonnet_colour=(0, 0, 0), bonnet_gloss=0.5)
    tops = []
    for light in (100, 200):
        seen = canvas_of(camera_of(), light)
        bonnet.lay(seen)
        tops.append(int(seen.picture[94, 80, 0]))
        assert seen.picture[119, 80, 0] < tops[-1]
    # At its far edge nearly half of the light of the sky.
    assert tops == pytest.approx([46, 92], abs=4)


def test_without_a_bonnet_nothing_is_laid_over():
    seen = canvas_of(camera_of(), 77)
    bonnet_of().lay(seen)
    assert (seen.picture == 77).all()


def test_a_bonnet_hides_the_road_of_a_drive():
    free, hidden = (
        SynthDrive(dataclasses.replace(BARE, bonnet=bonnet)).frame(0) for bonnet in (0.0, 0.3)
    )
    assert (free.mask[100:] == LINES).any()
    assert not (hidden.mask[100:, 40:120] == LINES).any()
    np.testing.assert_array_equal(free.image[:70], hidden.image[:70])
