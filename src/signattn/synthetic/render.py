"""A drive in pictures: everything put together, frame by frame."""

import math
import operator
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from signattn.masks import GROUND, LINES, NOTHING
from signattn.synthetic.air import Rain, glare, gloss, tone_ground
from signattn.synthetic.backdrop import Backdrop
from signattn.synthetic.bend import Road, bend_ahead, causal_mask
from signattn.synthetic.bonnet import Bonnet
from signattn.synthetic.camera import Camera, View
from signattn.synthetic.canvas import Bytes, Canvas
from signattn.synthetic.config import SynthConfig
from signattn.synthetic.course import Course, lay_course
from signattn.synthetic.cue import Cue
from signattn.synthetic.ego import CameraMotion
from signattn.synthetic.exact import on_grid, plain_opencv
from signattn.synthetic.exposure import AutoExposure
from signattn.synthetic.ground import Ground, see_ground
from signattn.synthetic.lens import Lens, Moment
from signattn.synthetic.light import Light
from signattn.synthetic.markings import Markings
from signattn.synthetic.sensor import Sensor
from signattn.synthetic.shadows import cast_shadows
from signattn.synthetic.sprites import Box, boxes, stand_along
from signattn.synthetic.surface import Lanes, Paint, Surface
from signattn.synthetic.traffic import FARTHEST, LONGEST, Car, draw_car, send_cars
from signattn.synthetic.weather import Weather

Array = NDArray[np.float64]

EPOCH_NS = 1_479_400_000_000_000_000  # 2016-11-17, when the Udacity drives were recorded


@dataclass(frozen=True)
class SynthFrame:
    """One picture of a drive and the truth about it.

    Attributes:
        stamp_ns: ns.
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) uint8, the mask that was asked for, its values from ``signattn.masks``; None
            if none was.
        steering_angle: rad at the wheel, left positive.
        speed: m/s.
        curvature: 1/m, driven, left positive.
    """

    stamp_ns: int
    image: Bytes
    mask: Bytes | None
    steering_angle: float
    speed: float
    curvature: float


class SynthDrive:
    """A road, its surroundings and a drive along it; every frame can be drawn by itself.

    Attributes:
        config: Options.
        course: The road and the drive over time.
        camera: The camera.
        lanes: The road's cross section.
        start_ns: ns, stamp of the first frame.
    """

    def __init__(self, config: SynthConfig) -> None:
        """Build the world.

        Args:
            config: Options.

        Raises:
            ValueError: If the trace or the vehicle file is unusable.
        """
        with plain_opencv():
            self._build(config)

    def _build(self, config: SynthConfig) -> None:
        # One source each, so that one part's draws don't change the others.
        parts = np.random.default_rng(config.seed).spawn(32)
        self.config = config
        self.course = lay_course(config, parts[0])
        self.camera = Camera.drawn(config, parts[1])
        self.lanes = Lanes.drawn(parts[2])
        self.start_ns = EPOCH_NS + config.seed % 1_000_000 * 1_000_000_000
        self._motion = CameraMotion(self.course, config.motion, parts[8])
        self._lens = Lens(self.camera, self._motion.most_roll, self._most_turn())
        self._wide = self._lens.wide
        course = self.course
        self._weather = Weather.drawn(config.weather, config.light, course, parts[22])
        paint = self._weather.wetted(Paint.drawn(parts[3]))
        self._surface = Surface(self._wide, self.lanes, paint, parts[3])
        bend = np.gradient(course.heading, course.station)
        self._markings = Markings.drawn(
            self.lanes, course.station, bend, config.junctions, parts[4], parts[21]
        )
        self._backdrop = Backdrop(self._wide, self._weather, parts[5])
        roadside = stand_along(course, self._markings.junctions, config.roadside, parts[6])
        self._road = Road(course, roadside)
        self._cars = send_cars(course, self.lanes, config, parts[7], parts[23], parts[24])
        self._light = Light(course, self._weather.shade, parts[9])
        self._sensor = Sensor(config, config.seed, parts[9])
        self._bonnet = Bonnet(config, parts[10])
        self._auto = AutoExposure(self._wanted_gain, config.exposure_lag or 0.5)
        self._rain = None
        if self._weather.wet:
            self._rain = Rain(self._wide, self._weather.wet, parts[25])
        self._cue = None
        if config.cue is not None:
            self._cue = Cue(config, course, config.cue, parts[20])
        column = np.arange(self._wide.width) - self._wide.cx
        self._tangent = np.asarray(column / self._wide.focal_length)

    def __len__(self) -> int:
        """Number of frames."""
        return math.floor(self.course.duration * self.config.rate_hz + 1e-6)

    def stamp_ns(self, index: int) -> int:
        """Stamp of a frame."""
        return self.start_ns + round(index * 1_000_000_000 / self.config.rate_hz)

    def view(self, index: int) -> View:
        """Where the camera is, and how it looks, in a frame."""
        return self._view(index / self.config.rate_hz, self.camera)

    def frame(self, index: int) -> SynthFrame:
        """Draw a frame.

        Args:
            index: From 0.

        Returns:
            The picture and its truth; the same for every call, whatever was drawn before.

        Raises:
            IndexError: If the drive has no such frame.
        """
        if not 0 <= index < len(self):
            raise IndexError(f'index must be from 0 to {len(self) - 1}, got {index}')
        time = index / self.config.rate_hz
        course = self.course
        view = self._view(time, self._wide)
        gain = self._gain(time)
        seen = self._look(self._draw(time, view), view, self._moments(time, gain))
        image, mask = self._sensor(seen.picture, gain, index), seen.mask
        if self._cue is not None:
            self._cue.show(image, mask, time)
        return SynthFrame(
            stamp_ns=self.stamp_ns(index),
            image=image,
            mask=mask,
            steering_angle=float(course.at_time(time, course.steering_angle)),
            speed=float(course.at_time(time, course.speed)),
            curvature=float(course.at_time(time, course.curvature)),
        )

    def _view(self, time: float, camera: Camera) -> View:
        course = self.course
        station = float(course.at_time(time, course.travelled))
        grade = course.at_station(np.array([station - 1.4, station + 1.4]), course.z)
        climb = float(grade[1] - grade[0]) / 2.8
        bounce, pitch, roll, yaw = self._motion(time)
        return View(
            camera=camera,
            x=float(course.at_station(station, course.x)),
            y=float(course.at_station(station, course.y)),
            z=float(course.at_station(station, course.z)) + camera.above_road + bounce,
            heading=float(course.at_station(station, course.heading)) + camera.yaw + yaw,
            pitch=camera.pitch + pitch - float(on_grid(math.atan(climb), 32)),
            roll=roll,
        )

    def _most_turn(self) -> float:
        """Furthest way of the picture within half an exposure, px."""
        course = self.course
        half = 0.5 / self.config.rate_hz if self.config.shutter_ms else 0.0
        rate = float(np.abs(course.curvature * course.speed).max()) + 0.1 * self.config.motion
        return self.camera.focal_length * rate * half

    def _look(self, drawn: Canvas, view: View, moments: tuple[Moment, ...]) -> Canvas:
        """What falls on the sensor."""
        seen = self._lens(drawn, view, moments)
        self._bonnet.lay(seen)
        return seen

    def _moments(self, time: float, gain: float) -> tuple[Moment, ...]:
        """Moments of an exposure, which is longer where it is darker."""
        half = min(self.config.shutter_ms / 1000 * gain, 1 / self.config.rate_hz) / 2
        if not half:
            return ()
        begin, end = max(time - half, 0.0), min(time + half, self.course.duration)
        begun, ended = self.course.at_time(np.array([begin, end]), self.course.travelled).tolist()
        before, after = self._view(begin, self._wide), self._view(end, self._wide)
        return self._lens.moments(before, after, ended - begun)

    def _gain(self, time: float) -> float:
        """Gain of the exposure."""
        exposure = self.config.exposure
        if exposure == 'auto':
            gain = self._auto(time)
        elif exposure == 'profile':
            gain = self._light.exposure(time) * self._weather.exposure
        else:
            gain = float(exposure)
        return gain * 2**self.config.exposure_bias

    def _wanted_gain(self, time: float) -> float:
        view = self._view(time, self._wide)
        seen = self._look(self._draw_along(self._road, time, view), view, ())
        return self._sensor.wanted_gain(seen.picture)

    def _draw(self, time: float, view: View) -> Canvas:
        """The picture before lens and sensor, with a margin, and the mask that is asked for."""
        drawn = self._draw_along(self._road, time, view)
        if drawn.mask is None:
            return drawn
        if self.config.masks == 'geometry':
            drawn.mask[drawn.mask != LINES] = NOTHING
            return drawn
        bent = self._draw_bent(time, view)
        return Canvas(drawn.picture, causal_mask(drawn.picture, drawn.mask, bent))

    def _draw_bent(self, time: float, view: View) -> Iterator[tuple[Bytes, Bytes]]:
        """The picture with the road ahead bent to the right and to the left, and what it shows."""
        travelled = float(self.course.at_time(time, self.course.travelled))
        for by in (-self.config.mask_curvature, self.config.mask_curvature):
            drawn = self._draw_along(bend_ahead(self._road, travelled, by), time, view)
            if drawn.mask is not None:
                yield drawn.picture, drawn.mask

    def _draw_along(self, road: Road, time: float, view: View) -> Canvas:
        """The picture of a road before lens and sensor, and what its pixels show."""
        travelled = float(road.course.at_time(time, road.course.travelled))
        ground = see_ground(road.course, travelled, view, self._wide.height)
        masked = self.config.masks != 'none'
        canvas = Canvas.empty(self._wide.height, self._wide.width, masked=masked)
        self._backdrop.paint(canvas.picture[: ground.top], view)
        if ground.depth.size:
            self._draw_ground(canvas, road, ground, view, travelled)
        self._draw_things(canvas, road, ground, view, time)
        self._draw_air(canvas, view, time, travelled)
        return canvas

    def _draw_ground(
        self, whole: Canvas, road: Road, ground: Ground, view: View, travelled: float
    ) -> None:
        canvas = whole.part(slice(ground.top, None))
        across, along = ground.lateral(self._tangent)
        turned = self._markings.junctions.turn(ground, across, along)
        seen = Canvas(self._surface.picture(ground, *turned), canvas.mask)
        if seen.mask is not None:
            seen.mask[:] = GROUND
        self._markings.paint(seen, ground, across, view)
        canvas.picture[:] = self._light.lay(seen.picture, ground)
        weather = self._weather
        if weather.plain:
            return
        if weather.sun is not None and weather.shade:
            dark = 0.6 * weather.shade
            cast_shadows(canvas.picture, road, ground, view, weather.sun, travelled, dark)
        tone_ground(canvas.picture, ground, self._tangent, weather)
        if weather.wet:
            puddles = seen.picture[..., 3]
            gloss(whole.picture, ground, across, puddles, self.lanes, weather.wet)

    def _draw_things(
        self, canvas: Canvas, road: Road, ground: Ground, view: View, time: float
    ) -> None:
        """Draw the roadside and the cars, far to near."""
        travelled = float(road.course.at_time(time, road.course.travelled))
        cars = []
        for car in self._cars:
            station = car.place(time)
            if travelled - LONGEST < station < travelled + FARTHEST:
                cars.append((station, car))
        cars.sort(key=operator.itemgetter(0))
        things = boxes(road.roadside, travelled, view, ground.hidden_below)
        tones = self._tones(things, view)
        for number, (depth, sprite, box, lowest) in enumerate(things):
            while cars and cars[-1][0] > travelled + depth:
                self._draw_car(canvas, road.course, *cars.pop(), ground, view)
            sprite.draw(canvas, box, lowest, tones[number])
        while cars:
            self._draw_car(canvas, road.course, *cars.pop(), ground, view)

    def _tones(self, things: list[Box], view: View) -> list[tuple[Array, Array] | None]:
        """Gain and offset of the colours of every thing."""
        if self._weather.plain or not things:
            return [None] * len(things)
        depth = np.array([depth for depth, *_ in things])
        middle = np.array([(box[0] + box[2]) / 2 for _, _, box, _ in things])
        aside = (middle - view.camera.cx) / view.camera.focal_length * depth
        return list(zip(*self._weather.tones(depth, aside), strict=True))

    def _draw_air(self, canvas: Canvas, view: View, time: float, travelled: float) -> None:
        """Draw what lies before everything else."""
        if self._weather.sun is not None:
            glare(canvas.picture, view, self._weather.sun, self._light.at(travelled) ** 2)
        if self._rain is not None:
            self._rain.fall(canvas.picture, (self.config.seed, round(time * 1e6)))

    def _draw_car(
        self,
        canvas: Canvas,
        course: Course,
        station: float,
        car: Car,
        ground: Ground,
        view: View,
    ) -> None:
        along = float(course.at_station(station, course.x))
        aside = float(course.at_station(station, course.y))
        depth = view.relative(np.array(along), np.array(aside), np.array(view.z))[0]
        lowest = float(np.interp(depth, *ground.hidden_below))
        light = self._light.at(station)
        weather = None if self._weather.plain else self._weather
        draw_car(canvas, car, station, course, view, lowest, light, weather=weather)


def frames(config: SynthConfig) -> Iterator[SynthFrame]:
    """Draw a drive.

    Args:
        config: Options.

    Yields:
        The frames in order, 1 / rate_hz apart.

    Raises:
        ValueError: If the trace or the vehicle file is unusable.
    """
    drive = SynthDrive(config)
    for index in range(len(drive)):
        yield drive.frame(index)
