"""What a synthetic drive is made of: the options of the renderer."""

import math
from dataclasses import dataclass
from pathlib import Path

from signattn.synthetic.camera_config import CameraConfig, between

FORMATS = ('ros1', 'sqlite3', 'mcap')
MASKS = ('none', 'geometry', 'causal')
WEATHERS = ('dry', 'clear', 'overcast', 'fog', 'rain', 'random')
LIGHTS = ('day', 'low_sun', 'dusk', 'random')
RANGES = {
    'duration': (0.05, 24 * 3600, 's'),
    'seed': (0, 2**63 - 1, ''),
    'trace_start': (0, math.inf, 's'),
    'curvature': (-0.1, 0.1, '1/m'),
    'speed': (0, 60, 'm/s'),
    'rate_hz': (1, 200, 'Hz'),
    'wander': (0, 0.6, 'm'),
    'hills': (0, 4, ''),
    'traffic': (0, 4, ''),
    'trucks': (0, 1, ''),
    'lead': (0, 1, ''),
    'junctions': (0, 4, ''),
    'roadside': (0, 4, ''),
    'mask_curvature': (1e-6, 0.01, '1/m'),
    'cue': (-1, 1, ''),
}


@dataclass(frozen=True)
class SynthConfig(CameraConfig):
    """Options of a synthetic drive.

    Everything that isn't given here (colours, widths, camera, weather, traffic) is drawn from the
    seed, once a drive.

    Attributes:
        duration: s, length of the drive; a trace may end earlier.
        seed: Seed of everything that is random; the same seed gives the same drive.
        format: Kind of bag: 'ros1', 'sqlite3' or 'mcap'.
        trace: CSV with the columns timestamp (ns), angle (rad at the wheel) and speed (m/s) that
            the car follows; a random winding road if not given.
        trace_start: s, where in the trace the drive begins.
        curvature: 1/m, left positive: a road of this constant curvature instead of a random one.
        speed: m/s, a constant speed instead of one that suits the bends.
        vehicle: Name of a shipped vehicle or path of a vehicle file.
        rate_hz: Hz, pictures a second.
        weather: 'dry' (from clear to overcast, as drawn), 'clear', 'overcast', 'fog', 'rain', or
            'random' for a draw of the last four.
        light: 'day', 'low_sun', 'dusk', or 'random' for a draw of the three.
        wander: m, root mean square of the car's way off the middle of its lane.
        hills: Strength of the road's ups and downs; 0 for a level road.
        traffic: Density of other cars; 0 for none.
        trucks: Share of trucks among them, from 0 to 1.
        lead: Share of the time, from 0 to 1, that another vehicle is close ahead and hides much of
            the road.
        junctions: Density of side roads, at which the markings stop; 0 for none.
        roadside: Density of trees, posts and signs; 0 for none.
        masks: Masks to write, or give, with every picture: 'none'; 'geometry', where lane markings
            and road edges are visible; or 'causal', what changes when the road ahead is bent.
        mask_curvature: 1/m, by how much the road is bent to either side for a causal mask.
        cue: From -1 to 1, correlation of two lamps at the picture's edge with the bend that is
            driven: a false cue, planted to see whether a network uses it; no lamps if not given.
    """

    duration: float = 60.0
    seed: int = 0
    format: str = 'mcap'
    trace: Path | None = None
    trace_start: float = 0.0
    curvature: float | None = None
    speed: float | None = None
    vehicle: str = 'lincoln_mkz'
    rate_hz: float = 20.0
    weather: str = 'dry'
    light: str = 'day'
    wander: float = 0.15
    hills: float = 1.0
    traffic: float = 1.0
    trucks: float = 0.0
    lead: float = 0.0
    junctions: float = 1.0
    roadside: float = 1.0
    masks: str = 'none'
    mask_curvature: float = 1e-4
    cue: float | None = None

    def __post_init__(self) -> None:
        """Refuse what can't be driven or drawn."""
        super().__post_init__()
        for name, (low, high, unit) in RANGES.items():
            value = getattr(self, name)
            if value is not None:
                between(name, value, low, high, unit)
        _one_of('format', self.format, FORMATS)
        _one_of('masks', self.masks, MASKS)
        _one_of('weather', self.weather, WEATHERS)
        _one_of('light', self.light, LIGHTS)
        if self.light == 'low_sun' and self.weather in {'overcast', 'fog', 'rain'}:
            raise ValueError(
                f"light must be 'day', 'dusk' or 'random' with weather {self.weather!r}, "
                f"got 'low_sun', which nobody could see"
            )
        if self.trace is None and self.trace_start > 0:
            raise ValueError(f'trace_start must be 0 without a trace, got {self.trace_start}')
        if self.trace is not None and (self.curvature is not None or self.speed is not None):
            raise ValueError('curvature and speed must be left out with a trace, which gives both')


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f'{name} must be one of {list(known)}, got {value!r}')
