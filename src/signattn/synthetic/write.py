"""A synthetic drive as a bag with the topics of the Udacity car."""

import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from signattn.bag import BagWriter
from signattn.synthetic.config import SynthConfig
from signattn.synthetic.render import SynthDrive

STEERING_STEP_NS = 20_000_000  # 50 Hz, as on the car


def synth(out: Path, config: SynthConfig) -> Path:
    """Render a drive and write it as a bag.

    The bag appears when it is whole; masks, where they are asked for, lie beside it in
    ``masks_path(out)`` and are there before the bag is.

    Args:
        out: Path of the bag: a file ending in .bag for ros1, a new folder otherwise.
        config: Options.

    Returns:
        The path of the bag.

    Raises:
        ValueError: If the trace or the vehicle file is unusable, or the place is taken.
    """
    storage = cast('Literal["ros1", "sqlite3", "mcap"]', config.format)
    writer = BagWriter(out, storage)
    drive = SynthDrive(config)
    if not config.masks:
        with writer:
            _write(writer, drive, None)
        return out
    with writer, _whole_zip(masks_path(out)) as masks:
        _write(writer, drive, masks)
    return out


def masks_path(out: Path) -> Path:
    """Where the masks of a bag lie: ``NAME.masks.zip`` beside it, holding ``STAMP_NS.png``."""
    return out.with_name(f'{out.name.removesuffix(".bag")}.masks.zip')


def _write(writer: BagWriter, drive: SynthDrive, masks: zipfile.ZipFile | None) -> None:
    camera = drive.camera
    reported_ns = 0
    for index in range(len(drive)):
        elapsed_ns = drive.stamp_ns(index) - drive.start_ns
        reported_ns = _report(writer, drive, reported_ns, elapsed_ns)
        frame = drive.frame(index)
        writer.image(frame.stamp_ns, frame.image, quality=drive.config.quality)
        writer.camera_info(
            frame.stamp_ns,
            camera.focal_length,
            camera.focal_length,
            camera.cx,
            camera.cy,
            camera.width,
            camera.height,
        )
        if masks is not None and frame.mask is not None:
            _store(masks, frame.stamp_ns, frame.mask)
    _report(writer, drive, reported_ns, round(drive.course.duration * 1e9))


def _report(writer: BagWriter, drive: SynthDrive, begin_ns: int, end_ns: int) -> int:
    """Write the steering reports up to a moment; returns when the next one is due."""
    course = drive.course
    while begin_ns <= end_ns:
        time = begin_ns / 1e9
        writer.steering(
            drive.start_ns + begin_ns,
            float(course.at_time(time, course.steering_angle)),
            float(course.at_time(time, course.speed)),
        )
        begin_ns += STEERING_STEP_NS
    return begin_ns


def _store(masks: zipfile.ZipFile, stamp_ns: int, mask: NDArray[np.bool_]) -> None:
    _, png = cv2.imencode(
        '.png', mask.view(np.uint8) * np.uint8(255), [cv2.IMWRITE_PNG_BILEVEL, 1]
    )
    # A fixed date, so that the same drive gives the same file.
    masks.writestr(zipfile.ZipInfo(f'{stamp_ns}.png'), png.tobytes())


@contextmanager
def _whole_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """A zip file that appears when the block ends well, or not at all."""
    if path.exists():
        raise ValueError(f'{path} must not exist yet, got an older one; remove it first')
    handle, name = tempfile.mkstemp(prefix=f'.{path.name}.', dir=path.parent)
    try:
        with os.fdopen(handle, 'wb') as file, zipfile.ZipFile(file, 'w') as archive:
            yield archive
        Path(name).chmod(0o644)
        Path(name).rename(path)
    finally:
        Path(name).unlink(missing_ok=True)
