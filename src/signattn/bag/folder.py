"""Image folders with a table, read as a recording."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from signattn.bag.cameras import SWAPPED_NS, by_side, choose_camera
from signattn.bag.interpolated import INTERPOLATED
from signattn.bag.recording import BagError, CameraImage, Recording, Series, Signals, Times, Topic
from signattn.bag.selection import Selection
from signattn.bag.simulator import DRIVING_LOG
from signattn.bag.table import Row, Table
from signattn.bag.units import Measure, speed_unit, steering_unit

TABLES = {table.name: table for table in (INTERPOLATED, DRIVING_LOG)}
"""Kinds of tables that make a folder a recording, by file name."""
Column = tuple[str, Measure]


class FolderRecording(Recording):
    """An image folder read as a recording.

    Its topics are the cameras and the columns that are filled. Labels are those of the chosen
    camera's rows.
    """

    def __init__(self, path: Path, selection: Selection, table: Table) -> None:
        super().__init__(path, strict=selection.strict)
        self.format = 'folder'
        self._table = table
        self._file = path / table.name
        cameras: Counter[str] = Counter()
        filled: Counter[str] = Counter()
        first_ns = None
        for row in self._rows():
            first_ns = row.stamp_ns if first_ns is None else first_ns
            cameras[row.camera] += 1
            filled.update(name for name, cell in row.cells.items() if cell)
        if first_ns is None:
            why = ''.join(f'; {lost.where} {lost.what}' for lost in self.damage[:1])
            raise BagError(f'{self._file} must have at least one row, got none{why}')
        self._cameras = sorted(cameras)
        self._filled = sorted(filled.keys() - set(table.pictures))
        self.topics = [
            *(Topic(name, 'image file', cameras[name]) for name in self._cameras),
            *(Topic(name, 'column', filled[name]) for name in self._filled),
        ]
        if table.note:
            self.note(table.note)
        self._steering: Column | None = None
        self._speed: Column | None = None
        self._choose(selection)
        self._warn_of_swap(first_ns)

    def cameras(self) -> list[str]:
        """Names of the cameras; see ``Recording``."""
        return list(self._cameras)

    def side_cameras(self) -> dict[str, str]:
        """The cameras beside ``image_topic``; see ``Recording``."""
        sides = by_side(self._cameras)
        return {} if sides.pop('center', None) != self.image_topic else sides

    def images(self, camera: str | None = None) -> Iterator[CameraImage]:
        """Pictures in the order of the table; see ``Recording``."""
        name = camera or self.image_topic
        if not name:
            raise BagError(self.problems[0])
        if name not in self._cameras:
            raise BagError(
                f'camera must be one of {", ".join(self._cameras)} in {self.path}, got {name}'
            )
        return (_image(row) for row in self._rows() if row.camera == name)

    def signals(self) -> Signals:
        """Labels of the camera's rows; see ``Recording``."""
        rows = [row for row in self._rows() if row.camera == self.image_topic]
        return Signals(self._series(rows, self._steering), self._series(rows, self._speed))

    def times(self) -> dict[str, Times]:
        """When the pictures were taken; see ``Recording``."""
        stamps: dict[str, list[int]] = {camera: [] for camera in self._cameras}
        for row in self._rows():
            stamps[row.camera].append(row.stamp_ns)
        arrays = {camera: np.array(taken, np.int64) for camera, taken in stamps.items()}
        return {camera: Times(array, array) for camera, array in arrays.items()}

    def close(self) -> None:
        """Nothing stays open between rows."""

    def _rows(self) -> Iterator[Row]:
        return self._table.rows(self.path, self.lose)

    def _choose(self, selection: Selection) -> None:
        try:
            self.image_topic = self._find_camera(selection.image_topic)
        except BagError as error:
            self.problems.append(str(error))
        try:
            self._steering = self._find_steering(selection)
            self._speed = self._find_speed(selection)
        except BagError as error:
            self.problems.append(str(error))
        self.steering_topic = self._steering[0] if self._steering else None
        self.speed_topic = self._speed[0] if self._speed else None

    def _find_camera(self, named: str | None) -> str:
        if named and named not in self._cameras:
            raise BagError(
                f'--image-topic must be a camera of {self._file} '
                f'({", ".join(self._cameras)}), got {named}'
            )
        return named or choose_camera(self.path, self._cameras)

    def _find_steering(self, selection: Selection) -> Column | None:
        usual, measure = self._table.steering
        name = selection.steering or usual
        self._check_column('steering', selection.steering)
        if selection.unit:
            measure = steering_unit(selection.unit)
        elif name != usual:
            raise BagError(f'--unit must be given for --steering {name}, got none')
        return (name, measure) if name in self._filled else None

    def _find_speed(self, selection: Selection) -> Column | None:
        usual, measure = self._table.speed
        name = selection.speed or usual
        self._check_column('speed', selection.speed)
        if selection.speed_unit or name != usual:
            measure = speed_unit(selection.speed_unit)
        return (name, measure) if name in self._filled else None

    def _check_column(self, what: str, named: str | None) -> None:
        if named and named not in self._filled:
            raise BagError(
                f'--{what} must be a column of {self._file} '
                f'({", ".join(self._filled) or "no label in it"}), got {named}'
            )

    def _series(self, rows: Sequence[Row], column: Column | None) -> Series | None:
        if column is None:
            return None
        name, measure = column
        values = [measure(self._number(row, name)) for row in rows]
        return Series.of(measure.quantity, [row.stamp_ns for row in rows], values)

    def _number(self, row: Row, column: str) -> float:
        text = row.cells[column]
        try:
            return float(text) if text else math.nan
        except ValueError:
            where = f'{self._table.name} line {row.line}'
            self.lose(where, f'{column} must be a number, got {text!r}')
            return math.nan

    def _warn_of_swap(self, first_ns: int) -> None:
        recorded_then = SWAPPED_NS[0] <= first_ns < SWAPPED_NS[1]
        if recorded_then and {'left_camera', 'center_camera'} <= set(self._cameras):
            self.note(
                "recorded on 2016-10-25, when left_camera and center_camera bore each other's "
                'names; udacity-driving-reader puts that right in its folders, so they are read '
                'as they are named'
            )


def _image(row: Row) -> CameraImage:
    # What can't be read is an unreadable picture, for rgb() to report.
    data, source = np.zeros(0, np.uint8), str(row.file)
    if not row.file.is_file():  # nor anything that never ends, as a device
        source = f'{row.file} (no such file)'
    else:
        try:
            data = np.fromfile(row.file, np.uint8)
        except OSError as error:
            source = f'{row.file} ({error.strerror})'
    return CameraImage(
        stamp_ns=row.stamp_ns,
        received_ns=row.stamp_ns,
        frame_id=row.camera,
        source=source,
        data=data,
        format=row.file.suffix.lstrip('.').lower().replace('jpg', 'jpeg'),
    )
