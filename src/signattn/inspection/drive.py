"""What is in a converted drive."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import cv2
import numpy as np

from signattn.bag import Damage, Series
from signattn.drive import Drive, DriveError, Split
from signattn.inspection.agreement import agreement
from signattn.inspection.evidence import Evidence
from signattn.inspection.findings import findings
from signattn.inspection.numbers import camera, row
from signattn.inspection.report import Report
from signattn.inspection.sampling import Look, Shot, sample_images
from signattn.labels import Labels
from signattn.preprocess import HEIGHT, WIDTH, Image

Progress = Callable[[int, int], None]


def inspect_drive(drive: Drive, pictures: int, progress: Progress | None = None) -> Report:
    """Inspect a drive, and compare its files with their checksums.

    Args:
        drive: As ``convert`` wrote it.
        pictures: How many frames are looked at, spread evenly; all are read.
        progress: Called now and then with frames done and their number.

    Returns:
        What is in it.
    """
    description = drive.description
    evidence = _evidence(drive, pictures, progress)
    damage = _altered(drive)
    counts = dict(description.get('counts', {}))
    size = dict(zip(('height_px', 'width_px'), description.get('image_size', ()), strict=False))
    source = dict(description.get('source', {}))
    return Report(
        drive.path,
        'drive',
        {'name': drive.name, 'format': 'drive', **row(evidence), **_unread(counts), **size},
        {
            'source': {
                **source,
                **{f'{part}_topic': topic for part, topic in evidence.topics.items()},
                'assume_speed_m_per_s': description.get('assume_speed'),
                'version': description.get('version'),
            },
            'checks': {'checksums_verified': not damage},
            'frames': camera(evidence),
            'preprocessing': drive.preprocessing.to_mapping(),
            'vehicle': asdict(drive.vehicle),
            'splits': _splits(drive),
            **({'motion': asdict(evidence.agreement)} if evidence.agreement else {}),
        },
        warnings=findings(evidence),
        notes=[str(note) for note in description.get('notes', [])],
        damage=damage,
        evidence=evidence,
    )


def _evidence(drive: Drive, pictures: int, progress: Progress | None) -> Evidence:
    stamps = drive.stamps_ns
    angle, speed = drive.column('steering_angle'), drive.column('speed')
    assumed = drive.description.get('assume_speed') is not None
    steering = Series('steering_angle', stamps, angle) if np.isfinite(angle).any() else None
    driven = Series('speed', stamps, speed) if np.isfinite(speed).any() else None
    images = sample_images(_shots(drive), len(drive), pictures, drive.max_gap_s, progress)
    known = drive.preprocessing.aspect_ratio is not None
    topics = drive.description.get('topics', {})
    return Evidence(
        name=drive.name,
        topics={'camera' if k == 'image' else str(k): str(v) for k, v in topics.items() if v},
        images=images,
        frames_ns=stamps,
        labels=Labels(angle, speed, drive.column('curvature'), assumed),
        steering=steering,
        speed=driven,
        rate_hz=drive.preprocessing.rate_hz,
        max_gap_s=drive.max_gap_s,
        aspect_ratio=WIDTH / HEIGHT / drive.preprocessing.stretch if known else None,
        agreement=agreement(images, steering, None if assumed else driven),
    )


def _shots(drive: Drive) -> Iterator[Shot]:
    size = drive.description.get('image_size')
    recorded = (int(size[0]), int(size[1])) if size else (HEIGHT, WIDTH)
    stretch = drive.preprocessing.stretch
    for index, stamp in enumerate(drive.stamps_ns.tolist()):
        frame = np.asarray(drive.frames[index])

        def look(frame: Image = frame) -> Look:
            return Look(frame, recorded, _as_it_was(frame, stretch))

        yield Shot(stamp, stamp, frame, 'hsv', look)


def _as_it_was(frame: Image, stretch: float) -> Image:
    """RGB, (H, W, 3), with the proportions of the camera's picture."""
    rgb = cv2.cvtColor(frame, cv2.COLOR_HSV2RGB)
    return np.asarray(cv2.resize(rgb, (2 * WIDTH, round(2 * HEIGHT * stretch))), np.uint8)


def _altered(drive: Drive) -> list[Damage]:
    try:
        drive.verify()
    except DriveError as error:
        return [Damage(str(drive.path), str(error).removeprefix(f'{drive.path}: '))]
    return []


def _unread(counts: dict[str, Any]) -> dict[str, Any]:
    """What convert counted and left out, which the frames don't tell."""
    keys = ('images', 'skipped', 'out_of_order', 'unreadable', 'damaged')
    return {key: counts[key] for key in keys if key in counts}


def _splits(drive: Drive) -> dict[str, Any]:
    """Frames to train on and kept apart, as the kinds of split would deal them by default."""
    found: dict[str, Any] = {'stretches': len(drive.stretches())}
    for kind in ('end', 'blocks'):
        train, apart = Split(kind).parts(drive) if len(drive) else (np.zeros(0), np.zeros(0))
        found |= {f'{kind}_train': int(train.sum()), f'{kind}_apart': int(apart.sum())}
    return found
