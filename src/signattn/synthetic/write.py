"""A synthetic drive as a bag with the topics of the Udacity car."""

from pathlib import Path
from typing import Literal, cast

from signattn.bag import BagWriter
from signattn.masks import MaskWriter, write_masks
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
    if config.masks == 'none':
        with writer:
            _write(writer, drive, None)
        return out
    with writer, write_masks(masks_path(out)) as masks:
        _write(writer, drive, masks)
    return out


def masks_path(out: Path) -> Path:
    """Where the masks of a bag lie: ``NAME.masks.zip`` beside it, holding ``STAMP_NS.png``."""
    return out.with_name(f'{out.name.removesuffix(".bag")}.masks.zip')


def _write(writer: BagWriter, drive: SynthDrive, masks: MaskWriter | None) -> None:
    camera = drive.camera
    reported_ns = 0
    for index in range(len(drive)):
        elapsed_ns = drive.stamp_ns(index) - drive.start_ns
        reported_ns = _report(writer, drive, reported_ns, elapsed_ns)
        frame = drive.frame(index)
        config = drive.config
        writer.image(frame.stamp_ns, frame.image, quality=config.quality, grey=config.grey)
        writer.camera_info(
            frame.stamp_ns,
            camera.focal_length,
            camera.focal_length,
            camera.cx,
            camera.cy,
            camera.width,
            camera.height,
            distortion=camera.distortion,
        )
        if masks is not None and frame.mask is not None:
            masks.add(frame.stamp_ns, frame.mask)
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
