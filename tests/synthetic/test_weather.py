import dataclasses
import functools
import math

import numpy as np
import pytest

from signattn.masks import LINES
from signattn.synthetic import SynthConfig, SynthDrive
from signattn.synthetic.air import glare
from signattn.synthetic.ground import see_ground
from signattn.synthetic.shadows import cast_shadows
from signattn.synthetic.sprites import Sprite
from signattn.synthetic.surface import Paint
from signattn.synthetic.weather import Sun, Weather

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
    exposure=1.0,
    masks='geometry',
)
SKY = slice(0, 30)


@functools.cache
def straight(**changes):
    return SynthDrive(dataclasses.replace(STRAIGHT, **changes))


def drawn(weather, light, seed=0):
    return Weather.drawn(weather, light, straight().course, np.random.default_rng(seed))


def contrast_at(drive, ahead):
    """Spread of brightness in the row that shows a distance in metres."""
    camera = drive.camera
    angle = np.arctan(camera.above_road / ahead) - camera.pitch
    row = round(camera.cy + camera.focal_length * np.tan(angle))
    return float(drive._draw_along(drive._road, 0.0, drive._view(0.0, drive._wide)).picture[
        row + round(drive._wide.cy - camera.cy), :, :3
    ].std())  # fmt: skip


def test_usual_day_changes_nothing():
    weather = Weather()
    gain, offset = weather.tones(np.array([1.0, 500.0]), np.array([0.0, 3.0]))
    assert weather.plain
    np.testing.assert_array_equal(gain, 1)
    np.testing.assert_array_equal(offset, 0)


def test_things_fade_into_the_haze_by_their_distance():
    weather = Weather(extinction=0.01, haze=(200.0, 100.0, 50.0), ambient=(0.5, 1.0, 2.0))
    gain, offset = weather.tones(np.array([100.0]), np.array([0.0]))
    left = math.exp(-1)
    np.testing.assert_allclose(gain[0], [0.5 * left, left, 2 * left], atol=1e-4)
    np.testing.assert_allclose(offset[0], np.array([200, 100, 50]) * (1 - left), atol=1e-4)


def test_headlights_reach_ahead_and_not_aside():
    weather = Weather(light='dusk', ambient=(0.3, 0.3, 0.3), beams=0.8)
    gain, _ = weather.tones(np.array([10.0, 60.0, 10.0]), np.array([0.0, 0.0, 20.0]))
    np.testing.assert_allclose(gain[:, 0], [1.1, 0.3 + 0.8 * math.exp(-50 / 22), 0.3], atol=1e-3)


def test_fog_takes_contrast_the_more_the_further():
    dry, fog = straight(), straight(weather='fog')
    shares = [contrast_at(fog, ahead) / contrast_at(dry, ahead) for ahead in (8, 16, 32, 64)]
    assert shares == sorted(shares, reverse=True)
    assert 1 > shares[0] > 2 * shares[-1]


def test_weather_leaves_the_geometry_of_the_world():
    dry = straight(roadside=1, seed=1).frame(1)
    for changes in ({'weather': 'fog'}, {'weather': 'rain'}, {'light': 'dusk'}):
        other = straight(roadside=1, seed=1, **changes).frame(1)
        np.testing.assert_array_equal(other.mask, dry.mask)
        assert (other.mask == LINES).sum() > 100
        assert np.abs(other.image.astype(int) - dry.image).mean() > 3
        assert other.curvature == dry.curvature


def test_overcast_sky_is_greyer_than_a_clear_one():
    clear, overcast = (
        straight(weather=weather).frame(0).image[SKY].astype(float)
        for weather in ('clear', 'overcast')
    )
    assert np.ptp(overcast.mean((0, 1))) + 15 < np.ptp(clear.mean((0, 1)))


def test_dusk_is_darker_and_bluer():
    day, dusk = (
        straight(weather='clear', light=light, duration=1.0).frame(0).image.astype(float)
        for light in ('day', 'dusk')
    )
    assert dusk[SKY].mean() < 0.7 * day[SKY].mean()
    blue = [picture[60:][..., 2].mean() / picture[60:][..., 0].mean() for picture in (day, dusk)]
    assert blue[1] > 1.1 * blue[0]


def test_rain_falls_differently_in_every_frame_and_alike_in_every_call():
    drive = straight(weather='rain')
    first, second, again = drive.frame(0).image, drive.frame(1).image, drive.frame(0).image
    np.testing.assert_array_equal(first, again)
    assert (first[SKY] != second[SKY]).any()


def test_rain_darkens_asphalt_more_than_grass():
    paint = Paint.drawn(np.random.default_rng(0))
    wetted = Weather(wet=1.0).wetted(paint)
    np.testing.assert_allclose(wetted.asphalt, 0.55 * paint.asphalt, rtol=1e-6)
    np.testing.assert_allclose(wetted.grass, 0.9 * paint.grass, rtol=1e-6)
    assert Weather().wetted(paint) is paint


def test_low_sun_dazzles_ahead_and_not_from_behind():
    view = straight().view(0)
    picture = np.zeros((120, 160, 4), np.uint8)
    glare(picture, view, Sun(view.heading + math.pi, 0.1), 1.0)
    assert not picture.any()
    glare(picture, view, Sun(view.heading + 0.2, 0.1), 1.0)
    brightest = picture[..., 0].max(0).argmax()
    # To the left of the middle by f tan 0.2.
    assert brightest == pytest.approx(
        view.camera.cx - view.camera.focal_length * math.tan(0.2), abs=8
    )
    hidden = np.zeros((120, 160, 4), np.uint8)
    glare(hidden, view, Sun(view.heading + 0.2, 0.1), 0.0)
    assert not hidden.any()


@pytest.mark.parametrize(('side', 'darker'), [(1, 'right'), (-1, 'left')])
def test_low_sun_casts_shadows_away_from_itself(side, darker):
    """A wall of 4 m stands in the middle of the lane, 20 m ahead; the sun is square to it."""
    drive = straight()
    view = dataclasses.replace(drive.view(0), heading=0.0)
    ground = drive_ground(drive, view)
    sprite = Sprite.painted(np.zeros((8, 8, 3)), np.ones((8, 8)))
    one = np.ones(1)
    wall = dataclasses.replace(
        drive._road.roadside,
        sprites=(sprite,),
        station=20 * one,
        x=view.x + 20 * one,
        y=0 * one,
        z=0 * one,
        height=4 * one,
        kind=np.zeros(1, np.int64),
    )
    picture = np.full((120 - ground.top, 160, 4), 200, np.uint8)
    sun = Sun(side * math.pi / 2, math.radians(20))
    road = dataclasses.replace(drive._road, roadside=wall)
    cast_shadows(picture, road, ground, view, sun, 0.0, 0.5)
    columns = np.flatnonzero((picture[..., 0] < 150).any(0))
    foot = view.camera.cx
    reach = view.camera.focal_length * 4 / math.tan(math.radians(20)) / 20
    tip = foot + side * reach
    assert columns.size > 20
    assert columns.max() == pytest.approx(max(foot, min(tip, 159)), abs=8)
    assert columns.min() == pytest.approx(min(foot, max(tip, 0)), abs=8)
    assert darker == ('right' if columns.mean() > foot else 'left')


def drive_ground(drive, view):
    return see_ground(drive.course, 0.0, view, 120)


def test_random_weather_and_light_are_all_drawn_and_go_together():
    pairs = {
        (weather.weather, weather.light)
        for weather in (drawn('random', 'random', seed) for seed in range(80))
    }
    assert {weather for weather, _ in pairs} == {'clear', 'overcast', 'fog', 'rain'}
    assert {light for _, light in pairs} == {'day', 'low_sun', 'dusk'}
    assert all(weather == 'clear' for weather, light in pairs if light == 'low_sun')
    assert {drawn('random', 'low_sun', seed).weather for seed in range(20)} == {'clear'}


@pytest.mark.parametrize(
    ('changes', 'error'),
    [
        ({'weather': 'snow'}, r"weather must be one of \['dry', 'clear', .*\], got 'snow'"),
        ({'light': 'night'}, r"light must be one of \['day', 'low_sun', .*\], got 'night'"),
        (
            {'weather': 'fog', 'light': 'low_sun'},
            "light must be 'day', 'dusk' or 'random' with weather 'fog', got 'low_sun'",
        ),
    ],
)
def test_nonsense_is_refused(changes, error):
    with pytest.raises(ValueError, match=error):
        SynthConfig(**changes)
