"""Image folders with ``interpolated.csv``, as the tools of the Udacity challenge write them.

Columns may be many or few: timestamp (ns) and filename are needed; frame_id tells the cameras
apart; angle (rad at the wheel, left positive) and speed (m/s) are the labels. The table has a row
for every picture of every camera.
"""

import csv
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from signattn.bag.recording import (
    BagError,
    CameraImage,
    Quantity,
    Recording,
    Series,
    Signals,
    Topic,
    choose_camera,
)
from signattn.bag.selection import Selection

TABLE = 'interpolated.csv'
NEEDED = ('timestamp', 'filename')
DEFAULT_CAMERA = 'camera'
"""Name of the camera where the table has no frame_id."""
MAX_NS = 2**63 - 1
MAX_DIGITS = len(str(MAX_NS))
KNOWN = ('index', 'timestamp', 'width', 'height', 'frame_id', 'filename')

Row = tuple[int, dict[str, str]]
"""Line number in the table and its cells by column."""


class FolderRecording(Recording):
    """An image folder read as a recording."""

    def __init__(self, path: Path, selection: Selection) -> None:
        super().__init__(path)
        image_topic, steering_topic = selection.image_topic, selection.steering
        self.format = 'folder'
        cameras: Counter[str] = Counter()
        filled: Counter[str] = Counter()
        for _, row in self._rows():
            cameras[_camera(row)] += 1
            filled.update(name for name, cell in row.items() if cell and name not in KNOWN)
        if not cameras:
            raise BagError(f'{path / TABLE} must have at least one row, got none')
        self.topics = [
            *(Topic(name, 'image file', cameras[name]) for name in sorted(cameras)),
            *(Topic(name, 'column', filled[name]) for name in sorted(filled)),
        ]
        self.image_topic = image_topic or choose_camera(path, sorted(cameras))
        if self.image_topic not in cameras:
            raise BagError(
                f'--image-topic must be a frame_id of {path / TABLE} '
                f'({", ".join(sorted(cameras))}), got {image_topic}'
            )
        self.steering_topic = steering_topic or ('angle' if filled['angle'] else None)
        if self.steering_topic and not filled[self.steering_topic]:
            raise BagError(
                f'--steering must be a column of {path / TABLE} '
                f'({", ".join(sorted(filled)) or "no label in it"}), got {steering_topic}'
            )
        self.speed_topic = 'speed' if filled['speed'] else None

    def images(self) -> Iterator[CameraImage]:
        """Pictures in the order of the table; see ``Recording``."""
        for line, row in self._camera_rows():
            file = self.path / row['filename']
            stamp_ns = self._stamp(line, row)
            source = str(file)
            try:
                data = np.fromfile(file, np.uint8)
            except OSError as error:
                # An unreadable picture, for rgb() to report; the others are still there.
                data, source = np.zeros(0, np.uint8), f'{file} ({error.strerror})'
            yield CameraImage(
                stamp_ns=stamp_ns,
                received_ns=stamp_ns,
                frame_id=self.image_topic,
                source=source,
                data=data,
                format=file.suffix.lstrip('.').lower().replace('jpg', 'jpeg'),
            )

    def signals(self) -> Signals:
        """Labels of the camera's rows; see ``Recording``."""
        rows = list(self._camera_rows())
        stamps = [self._stamp(*row) for row in rows]

        def series(quantity: Quantity, column: str | None) -> Series | None:
            if column is None:
                return None
            return Series.of(quantity, stamps, [self._number(*row, column) for row in rows])

        return Signals(
            series('steering_angle', self.steering_topic), series('speed', self.speed_topic)
        )

    def close(self) -> None:
        """Nothing stays open between rows."""

    def _camera_rows(self) -> Iterator[Row]:
        return (item for item in self._rows() if _camera(item[1]) == self.image_topic)

    def _rows(self) -> Iterator[Row]:
        table = self.path / TABLE
        try:
            with table.open(encoding='utf-8-sig', newline='') as lines:
                reader = csv.DictReader(lines, restval='', strict=True)
                columns = reader.fieldnames or []
                missing = [name for name in NEEDED if name not in columns]
                if missing:
                    raise BagError(
                        f'{table} must have the columns {" and ".join(NEEDED)}, '
                        f'got {", ".join(columns) or "an empty file"}'
                    )
                for row in reader:
                    if None in row:
                        raise BagError(
                            f'{table} line {reader.line_num} must have {len(columns)} cells, '
                            f'got {len(columns) + len(row[None])}'
                        )
                    yield reader.line_num, row
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise BagError(f'{table} must be a readable table, got: {error}') from error

    def _stamp(self, line: int, row: dict[str, str]) -> int:
        text = row['timestamp']
        if not text.isdecimal() or len(text) > MAX_DIGITS or int(text) > MAX_NS:
            raise BagError(f'{self.path / TABLE} line {line}: timestamp must be ns, got {text!r}')
        return int(text)

    def _number(self, line: int, row: dict[str, str], column: str) -> float:
        text = row.get(column, '')
        try:
            return float(text) if text else math.nan
        except ValueError as error:
            raise BagError(
                f'{self.path / TABLE} line {line}: {column} must be a number, got {text!r}'
            ) from error


def _camera(row: dict[str, str]) -> str:
    return row.get('frame_id') or DEFAULT_CAMERA
