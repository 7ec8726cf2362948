"""A video of a recording: camera, heatmap, and steering as driven and as predicted."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from signattn.bag import BagError, Recording, Selection, open_recording
from signattn.heatmap import draw_steering, heatmap, overlay
from signattn.labels import Labels, labels_at
from signattn.preprocess import ImageError
from signattn.stream import BackendName, Engine, Weights
from signattn.vehicle import Vehicle, load_vehicle, steering_from_curvature

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RenderConfig(Selection):
    """What the video shows.

    Attributes:
        vehicle: Name of a shipped vehicle or path of a vehicle file; the model's if not given.
        assume_speed: m/s, for recordings without speed.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        backend: What runs the network: ``torch``, ``onnx``, or ``auto`` for what answers soonest.
        weights: ``fp32``, or ``int8`` for those of LSTM and gate.
        strength: Opacity of the heatmap at the most attended place, in [0, 1].
        width: px, width of the video; the picture's own if 0.
        crf: Quality of the H.264 video from 0 (largest) to 51.
    """

    vehicle: str | None = None
    assume_speed: float | None = None
    device: str = 'auto'
    backend: BackendName = 'torch'
    weights: Weights = 'fp32'
    strength: float = 0.6
    width: int = 0
    crf: int = 23


def render(
    model: Path,
    source: Path,
    out: Path,
    config: RenderConfig | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Make a video of what the network answers to a recording, and what it looks at.

    Args:
        model: A checkpoint's folder.
        source: A bag, or an image folder.
        out: The video, H.264 in .mp4; it appears only when whole.
        config: What it shows.
        progress: Called with the number of frames done.

    Returns:
        Number of frames.

    Raises:
        ValueError: If ``out`` is no .mp4.
        CheckpointError: If the model can't be used.
        BagError: If the recording can't be read or has no readable image.
    """
    config = config or RenderConfig()
    if out.suffix != '.mp4':
        raise ValueError(f'out must end in .mp4, got {out}')
    engine = Engine(model, config.device, config.backend, config.weights)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f'.{out.stem}.partial.mp4')
    count = 0
    try:
        with open_recording(source, config) as recording:
            pictures = _pictures(recording, engine, config)
            for count in _write_video(pictures, partial, engine.preprocessing.rate_hz, config):
                progress(count)
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _pictures(
    recording: Recording, engine: Engine, config: RenderConfig
) -> Iterator[NDArray[np.uint8]]:
    vehicle = load_vehicle(config.vehicle) if config.vehicle else engine.vehicle
    stamps = np.array([image.stamp_ns for image in recording.images()], np.int64)
    labels = _labels(recording, stamps, vehicle, config)
    # Without a speed: the angle at walking pace, where nothing slips.
    speeds = np.nan_to_num(labels.speed, nan=config.assume_speed or 0.0)
    shown, reasons = 0, []
    for image, speed, driven in zip(
        recording.images(), speeds, labels.steering_angle, strict=True
    ):
        if not engine.accepts(image.stamp_ns, image.frame_id):
            continue
        try:
            picture = image.rgb()
        except ImageError as error:
            reasons.append(str(error))
            continue
        step = engine.step(picture)
        predicted = float(steering_from_curvature(step.curvature, speed, vehicle))
        heat = heatmap(step.attention, *picture.shape[:2])
        yield draw_steering(overlay(picture, heat, config.strength), predicted, float(driven))
        shown += 1
    if not shown:
        raise BagError(
            f'{recording.path}: {recording.image_topic} must hold a readable image, '
            f'got {len(reasons)} unreadable of {len(stamps)}, the first: {reasons[0]}'
        )


def _labels(
    recording: Recording, stamps: NDArray[np.int64], vehicle: Vehicle, config: RenderConfig
) -> Labels:
    """What was driven, where the recording says it; a video needs no labels."""
    try:
        return labels_at(recording, stamps, vehicle, config.assume_speed)
    except BagError as error:
        _log.warning('warning: the video shows no driven steering: %s', error)
        unknown = np.full(len(stamps), np.nan)
        return Labels(unknown, unknown, unknown)


def _write_video(
    pictures: Iterator[NDArray[np.uint8]], path: Path, rate_hz: float, config: RenderConfig
) -> Iterator[int]:
    """Encode pictures; the number done so far."""
    with av.open(str(path), 'w') as container:
        stream = None
        for count, picture in enumerate(pictures, 1):
            if stream is None:
                height, width = _even_size(picture, config.width)
                stream = container.add_stream(
                    'libx264', rate=Fraction(rate_hz).limit_denominator()
                )
                stream.width, stream.height, stream.pix_fmt = width, height, 'yuv420p'
                stream.options = {'crf': str(config.crf), 'preset': 'veryfast'}
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format='rgb24')
            container.mux(stream.encode(frame.reformat(width, height)))
            yield count
        if stream is not None:
            container.mux(stream.encode())


def _even_size(picture: NDArray[np.uint8], width: int) -> tuple[int, int]:
    """Height and width of the video; H.264 wants both even."""
    height, own = picture.shape[:2]
    width = width or own
    return round(height * width / own / 2) * 2, round(width / 2) * 2
