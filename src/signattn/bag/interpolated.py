"""``interpolated.csv``, as the tools of the Udacity challenge write it.

Columns may be many or few: timestamp (ns) and filename are needed; frame_id tells the cameras
apart; angle (rad at the wheel, left positive) and speed (m/s) are the labels. The table has a row
for every picture of every camera.
"""

from collections.abc import Iterator
from pathlib import Path

from signattn.bag.table import MAX_NS, Lose, Row, Table, read_lines
from signattn.bag.units import Measure

DEFAULT_CAMERA = 'camera'
"""Name of the camera where the table has no frame_id."""
MAX_DIGITS = len(str(MAX_NS))
_NAME = 'interpolated.csv'


def _rows(folder: Path, lose: Lose) -> Iterator[Row]:
    for line, cells in read_lines(folder / _NAME, ('timestamp', 'filename'), (), lose):
        text = cells['timestamp']
        if not text.isdecimal() or len(text) > MAX_DIGITS or int(text) > MAX_NS:
            lose(f'{_NAME} line {line}', f'timestamp must be ns, got {text!r}')
            continue
        camera = cells.get('frame_id') or DEFAULT_CAMERA
        yield Row(line, int(text), camera, folder / cells['filename'], cells)


INTERPOLATED = Table(
    name=_NAME,
    rows=_rows,
    steering=('angle', Measure('steering_angle')),
    speed=('speed', Measure('speed')),
    pictures=('index', 'timestamp', 'width', 'height', 'frame_id', 'filename'),
)
