"""What is in a recording."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signattn.bag import (
    BagError,
    CameraImage,
    Recording,
    Signals,
    Times,
    open_recording,
)
from signattn.inspection.agreement import agreement
from signattn.inspection.config import InspectConfig
from signattn.inspection.evidence import Clock, Evidence, Images
from signattn.inspection.findings import findings
from signattn.inspection.numbers import camera, milliseconds, row, signal, size
from signattn.inspection.report import Finding, Report
from signattn.inspection.sampling import Look, Shot, sample_images
from signattn.labels import Labels, labels_at
from signattn.preprocess import Preprocessing, RateGate, network_input
from signattn.statistics import time_statistics
from signattn.vehicle import load_vehicle

Progress = Callable[[int, int], None]


def inspect_recording(
    path: Path, config: InspectConfig, progress: Progress | None = None
) -> Report:
    """Inspect a bag or an image folder.

    Args:
        path: A recording.
        config: How.
        progress: Called now and then with images done and their number.

    Returns:
        What is in it.

    Raises:
        BagError: If it can't be opened.
        ValueError: If there is no such vehicle.
    """
    # A strict reader would not live to report the damage.
    with open_recording(path, replace(config, strict=False), tolerant=True) as recording:
        images = _images(recording, config, progress)
        height, width = size(images)
        signals, times = recording.signals(), recording.times()
        frames_ns = _kept(images.ordered_ns, config)
        labels, refusals = _labels(recording, signals, frames_ns, config)
        evidence = Evidence(
            name=path.name,
            topics=_parts(recording),
            images=images,
            frames_ns=frames_ns,
            labels=labels,
            steering=signals.steering,
            speed=signals.speed,
            rate_hz=config.rate_hz,
            max_gap_s=config.max_gap_s,
            aspect_ratio=width / height if width and height else None,
            clocks=_clocks(recording, times),
            agreement=agreement(images, signals.steering, signals.speed),
        )
        refused = [_refused(text, path) for text in (*recording.problems, *refusals)]
        return Report(
            path,
            'recording',
            {
                'name': path.name,
                'format': recording.format,
                **row(evidence),
                'damaged': len(recording.damage),
            },
            _details(recording, evidence),
            _topics(recording, times, evidence.clocks),
            [*refused, *findings(evidence)],
            [_without_folder(note, path) for note in recording.notes],
            list(recording.damage),
            evidence,
        )


def _images(recording: Recording, config: InspectConfig, progress: Progress | None) -> Images:
    count = sum(it.count for it in recording.topics if it.name == recording.image_topic)
    images = recording.images() if recording.image_topic else iter(())
    return sample_images(map(_shot, images), count, config.pictures, config.max_gap_s, progress)


def _shot(image: CameraImage) -> Shot:
    def look() -> Look:
        rgb = image.rgb()
        return Look(network_input(rgb, Preprocessing()), (rgb.shape[0], rgb.shape[1]), rgb)

    encoding = image.encoding or image.format
    return Shot(image.stamp_ns, image.received_ns, image.data, encoding, look)


def _kept(stamps_ns: NDArray[np.int64], config: InspectConfig) -> NDArray[np.int64]:
    """Stamps of the images that convert keeps."""
    gate = RateGate(config.rate_hz, config.max_gap_s)
    return np.array([stamp for stamp in stamps_ns.tolist() if gate.accept(stamp)], np.int64)


def _labels(
    recording: Recording, signals: Signals, frames_ns: NDArray[np.int64], config: InspectConfig
) -> tuple[Labels, list[str]]:
    """As convert finds them, and why it would refuse."""
    vehicle = load_vehicle(config.vehicle)
    try:
        if _has_speed(signals) or config.assume_speed is not None:
            return labels_at(
                recording, frames_ns, vehicle, config.assume_speed, config.max_gap_s
            ), []
        # no_speed warns; what needs no speed can still be shown.
        labels = labels_at(recording, frames_ns, vehicle, 0.0, config.max_gap_s)
    except BagError as error:
        return _unknown(frames_ns), [str(error)]
    unknown = _unknown(frames_ns)
    if signals.steering and signals.steering.quantity == 'curvature':
        return replace(unknown, curvature=labels.curvature), []
    return replace(unknown, steering_angle=labels.steering_angle), []


def _has_speed(signals: Signals) -> bool:
    return signals.speed is not None and bool(np.isfinite(signals.speed.values).any())


def _unknown(frames_ns: NDArray[np.int64]) -> Labels:
    nothing = np.full(len(frames_ns), np.nan)
    return Labels(nothing, nothing, nothing)


def _clocks(recording: Recording, times: Mapping[str, Times]) -> list[Clock]:
    """An image folder knows no time of receipt."""
    if recording.format == 'folder':
        return []
    return [
        Clock.of(topic, it.stamp_ns, it.received_ns)
        for topic, it in times.items()
        if it.stamp_ns is not None
    ]


def _topics(
    recording: Recording, times: Mapping[str, Times], clocks: list[Clock]
) -> list[dict[str, Any]]:
    by_topic = {clock.topic: clock for clock in clocks}
    parts = _parts(recording)
    rows = []
    for topic in recording.topics:
        measured = times.get(topic.name)
        spaced = time_statistics(measured.received_ns, np.inf) if measured else {'rate_hz': None}
        clock = by_topic.get(topic.name)
        rows.append(
            {
                'topic': topic.name,
                'type': topic.type,
                'count': topic.count,
                'rate_hz': spaced['rate_hz'],
                'offset_ms': clock and milliseconds(clock.median_s),
                'offset_spread_ms': clock and milliseconds(clock.spread_s),
                'offset_drift_ms': clock and milliseconds(clock.drift_s),
                'zero_stamps': clock and clock.zeros,
                'read_as': ', '.join(part for part, name in parts.items() if name == topic.name),
            }
        )
    return rows


def _parts(recording: Recording) -> dict[str, str]:
    parts = {
        'camera': recording.image_topic,
        'steering': recording.steering_topic,
        'speed': recording.speed_topic,
    }
    # A topic may be named with its field: /topic:field.path.
    return {part: name.partition(':')[0] for part, name in parts.items() if name}


def _details(recording: Recording, evidence: Evidence) -> dict[str, dict[str, Any]]:
    found = {'camera': {'topic': recording.image_topic or None, **camera(evidence)}}
    for name, topic, series in (
        ('steering', recording.steering_topic, evidence.steering),
        ('speed', recording.speed_topic, evidence.speed),
    ):
        if series is not None:
            found[name] = {'topic': topic, **signal(series, evidence)}
    if evidence.agreement:
        found['motion'] = asdict(evidence.agreement)
    return found


def _refused(text: str, path: Path) -> Finding:
    """An error of convert, which often ends with what to do."""
    said, _, remedy = _without_folder(text, path).rpartition('; ')
    if not said:
        said, remedy = remedy, 'name something else, or leave it out'
    return Finding('refused', f'convert refuses: {said}', remedy)


def _without_folder(text: str, path: Path) -> str:
    return text.replace(f'{path}: ', '').replace(str(path), path.name)
