"""Weather and time of day: what they do to the light, the air and the road."""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from signattn.synthetic.course import Array, Course
from signattn.synthetic.exact import on_grid
from signattn.synthetic.surface import Paint

SUNNY = ('dry', 'clear')
FAINTEST = 0.05  # contrast that is left at the visibility's distance


@dataclass(frozen=True)
class Sun:
    """A low sun.

    Attributes:
        bearing: rad, direction in which it stands, as headings are counted.
        elevation: rad.
    """

    bearing: float
    elevation: float


@dataclass(frozen=True)
class Weather:
    """What is different from the usual dry day.

    Attributes:
        weather: One of ``config.WEATHERS`` but 'random'.
        light: One of ``config.LIGHTS`` but 'random'.
        shade: Strength of the sun's shadows from 0 to 1; None leaves it to the drive's own draw.
        clouds: Share of grey in the sky from 0 to 1, and how closely clouds cover it, from -0.6 to
            1; None leaves both to the drive's own draw.
        extinction: 1/m, of light on its way through the air.
        haze: (3,) RGB from 0 to 255, of air of endless depth.
        ambient: (3,) RGB, light on things against that of the usual day.
        beams: Light of our headlights where it is brightest, likewise.
        wet: From 0 to 1, how wet the road is.
        sun: Where a low sun stands; None without.
        exposure: Gain by which the camera makes up for the light.
    """

    weather: str = 'dry'
    light: str = 'day'
    shade: float | None = None
    clouds: tuple[float, float] | None = None
    extinction: float = 0.0
    haze: tuple[float, float, float] = (208.0, 211.0, 214.0)
    ambient: tuple[float, float, float] = (1.0, 1.0, 1.0)
    beams: float = 0.0
    wet: float = 0.0
    sun: Sun | None = None
    exposure: float = 1.0

    @classmethod
    def drawn(
        cls, weather: str, light: str, course: Course, rng: np.random.Generator
    ) -> 'Weather':
        """Weather and light of a drive.

        Args:
            weather: One of ``config.WEATHERS``.
            light: One of ``config.LIGHTS``.
            course: The drive, which a low sun dazzles now and then.
            rng: Source of randomness.
        """
        if weather == 'random':
            names, shares = ['clear', 'overcast', 'fog', 'rain'], [0.35, 0.25, 0.2, 0.2]
            weather = str(rng.choice(names, p=shares))
            if light == 'low_sun':
                weather = 'clear'
        if light == 'random':
            light = str(rng.choice(['day', 'low_sun', 'dusk'], p=[0.5, 0.25, 0.25]))
            if light == 'low_sun' and weather not in SUNNY:
                light = 'day'
        return _LIGHT[light](_WEATHER[weather](cls(weather, light), rng), course, rng)

    @property
    def plain(self) -> bool:
        """Whether all looks as on the usual day."""
        return self.extinction == 0 and self.light == 'day' and self.wet == 0

    @property
    def lamps(self) -> bool:
        """Whether other vehicles have their lamps lit."""
        return self.light == 'dusk' or self.weather in {'fog', 'rain'}

    def tones(self, depth: Array, aside: Array) -> tuple[Array, Array]:
        """How things look in this light and through this air.

        Args:
            depth: (...) m.
            aside: (...) m, beside the camera, in either direction.

        Returns:
            Gain (..., 3) and offset (..., 3) of RGB from 0 to 255.
        """
        clear = np.exp(-self.extinction * depth)[..., None]
        light = np.array(self.ambient)
        if self.beams:
            light = light + self.beams * _beam(depth, aside)[..., None]
        return on_grid(light * clear, 16), on_grid(np.array(self.haze) * (1 - clear), 16)

    def wetted(self, paint: Paint) -> Paint:
        """Colours of the ground when it is as wet as it is."""
        if self.wet == 0:
            return paint
        return dataclasses.replace(
            paint,
            asphalt=paint.asphalt * np.float32(1 - 0.45 * self.wet),
            gravel=paint.gravel * np.float32(1 - 0.35 * self.wet),
            dry=paint.dry * np.float32(1 - 0.2 * self.wet),
            grass=paint.grass * np.float32(1 - 0.1 * self.wet),
        )


def _beam(depth: Array, aside: Array) -> Array:
    """Light of our low beams at a place in m, 1 where it is brightest."""
    along = np.clip((depth - 2) / 8, 0, 1) * np.exp(-np.maximum(depth - 10, 0) / 22)
    return np.asarray(along * np.exp(-0.5 * (aside / (1.2 + 0.16 * depth)) ** 2))


def _dry(weather: Weather, _: np.random.Generator) -> Weather:
    return weather


def _clear(weather: Weather, rng: np.random.Generator) -> Weather:
    return dataclasses.replace(
        weather,
        shade=float(rng.uniform(0.8, 1)),
        clouds=(0.0, float(rng.uniform(-0.6, -0.2))),
    )


def _overcast(weather: Weather, rng: np.random.Generator) -> Weather:
    dim = float(rng.uniform(0.82, 0.95))
    return dataclasses.replace(
        weather,
        shade=0.0,
        clouds=(float(rng.uniform(0.9, 1)), float(rng.uniform(0.4, 1))),
        extinction=_extinction(rng.uniform(3000, 8000)),
        ambient=(0.97 * dim, 0.99 * dim, 1.03 * dim),
    )


def _fog(weather: Weather, rng: np.random.Generator) -> Weather:
    return dataclasses.replace(
        weather,
        shade=0.0,
        clouds=(1.0, 1.0),
        extinction=_extinction(math.exp(rng.uniform(math.log(60), math.log(350)))),
        ambient=(0.9, 0.92, 0.95),
    )


def _rain(weather: Weather, rng: np.random.Generator) -> Weather:
    dim = float(rng.uniform(0.6, 0.85))
    return dataclasses.replace(
        weather,
        shade=0.0,
        clouds=(1.0, float(rng.uniform(-0.3, 0.3))),
        extinction=_extinction(math.exp(rng.uniform(math.log(400), math.log(2000)))),
        haze=(172.0, 178.0, 184.0),
        ambient=(0.96 * dim, dim, 1.05 * dim),
        wet=float(rng.uniform(0.6, 1)),
        exposure=dim**-0.6,
    )


def _extinction(visibility: float) -> float:
    return -math.log(FAINTEST) / visibility


def _at_day(weather: Weather, _: Course, __: np.random.Generator) -> Weather:
    return weather


def _at_low_sun(weather: Weather, course: Course, rng: np.random.Generator) -> Weather:
    """The sun stands ahead at some moment of most drives."""
    moment = float(rng.uniform(0, course.duration))
    station = course.at_time(moment, course.travelled)
    ahead = float(course.at_station(station, course.heading))
    bearing = ahead + float(rng.normal(0, 0.35))
    if rng.uniform() < 0.3:
        bearing = float(rng.uniform(0, 2 * math.pi))
    return dataclasses.replace(
        weather,
        light='low_sun',
        shade=float(rng.uniform(0.7, 1)),
        extinction=weather.extinction + _extinction(4000),
        haze=(226.0, 196.0, 158.0),
        ambient=(1.1, 0.94, 0.72),
        sun=Sun(bearing, math.radians(float(rng.uniform(3, 11)))),
        exposure=1.2,
    )


def _at_dusk(weather: Weather, _: Course, rng: np.random.Generator) -> Weather:
    dim = float(rng.uniform(0.3, 0.5))
    blue = (0.86, 0.96, 1.25) if weather.weather in SUNNY else (0.94, 0.98, 1.1)
    dusk = dim * np.array(blue)
    lit = [float(value) for value in dusk * weather.ambient]
    haze = [float(value) for value in dusk * weather.haze]
    return dataclasses.replace(
        weather,
        light='dusk',
        shade=0.0,
        haze=(haze[0], haze[1], haze[2]),
        ambient=(lit[0], lit[1], lit[2]),
        beams=float(rng.uniform(0.5, 0.9)),
        exposure=weather.exposure * dim**-0.5,
    )


_WEATHER = {'dry': _dry, 'clear': _clear, 'overcast': _overcast, 'fog': _fog, 'rain': _rain}
_LIGHT = {'day': _at_day, 'low_sun': _at_low_sun, 'dusk': _at_dusk}
