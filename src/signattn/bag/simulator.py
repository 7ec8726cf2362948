"""``driving_log.csv`` of the Udacity simulator.

A row for each moment: the pictures of three cameras, steering, throttle, brake, speed; the first
line may name them. The paths are those of the machine that recorded; the pictures are looked for
in ``IMG`` beside the table. Their names hold the time, in ms.

Source: udacity/self-driving-car-sim, which writes the steering as a share of at most 25° at the
tyre, right positive, and the speed in mph.
"""

import math
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path, PureWindowsPath

from signattn.bag.table import MAX_NS, Lose, Row, Table, read_lines
from signattn.bag.units import SPEED_UNITS, Measure
from signattn.preprocess import NS_PER_S

MAX_STEERING_DEG = 25
"""Degrees at the tyre where the log says 1."""
_NAME = 'driving_log.csv'
_CAMERAS = ('center', 'left', 'right')
_COLUMNS = (*_CAMERAS, 'steering', 'throttle', 'brake', 'speed')
_TIME = re.compile(r'(\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d)_(\d{3})\.\w+$')


def _rows(folder: Path, lose: Lose) -> Iterator[Row]:
    for line, cells in read_lines(folder / _NAME, _COLUMNS[:4], _COLUMNS, lose):
        for camera in _CAMERAS:
            if not cells[camera]:
                continue
            # Takes both kinds of slashes.
            name = PureWindowsPath(cells[camera]).name
            stamp_ns = _stamp_ns(name)
            if stamp_ns is None:
                lose(
                    f'{_NAME} line {line}',
                    f'{camera} must be a picture named by its time, as in '
                    f'{camera}_2016_12_01_13_30_48_287.jpg, got {cells[camera]!r}',
                )
                continue
            yield Row(line, stamp_ns, camera, folder / 'IMG' / name, cells)


def _stamp_ns(name: str) -> int | None:
    """The time in a picture's name, as if it were UTC."""
    found = _TIME.search(name)
    if not found:
        return None
    try:
        time = datetime.strptime(found[1], '%Y_%m_%d_%H_%M_%S').replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    stamp_ns = int(time.timestamp()) * NS_PER_S + int(found[2]) * 1_000_000
    return stamp_ns if 0 <= stamp_ns <= MAX_NS else None


DRIVING_LOG = Table(
    name=_NAME,
    rows=_rows,
    steering=('steering', Measure('tyre_angle', -math.radians(MAX_STEERING_DEG))),
    speed=('speed', SPEED_UNITS['mph']),
    pictures=_CAMERAS,
    note=(
        'a simulated drive: times are those in the names of the pictures, steering is taken as a '
        f'share of {MAX_STEERING_DEG}° at the tyre, right positive, and speed as mph'
    ),
)
