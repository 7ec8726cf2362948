"""From a recording to a drive."""

import hashlib
import itertools
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

import signattn
from signattn.bag import BagError, CameraImage, Recording, Selection, open_recording
from signattn.drive import (
    COLUMNS,
    DESCRIPTION,
    FORMAT,
    FRAME_SHAPE,
    FRAMES,
    SAMPLES,
    Drive,
    DriveError,
    sha256,
    stretches,
)
from signattn.labels import MAX_GAP_S, Labels, labels_at
from signattn.preprocess import NS_PER_S, ImageError, Preprocessing, RateGate, network_input
from signattn.vehicle import Vehicle, curvature_from_steering, load_vehicle, smooth

_CHUNK = 64  # images that each thread has waiting


@dataclass(frozen=True)
class ConvertConfig(Selection):
    """How recordings become drives.

    Attributes:
        vehicle: Name of a shipped vehicle, or the path of a vehicle file.
        assume_speed: m/s, for recordings without speed; recorded speeds are never replaced.
        rate_hz: Frames a second: the image nearest to each tick is kept.
        max_gap_s: s; no window and no interpolation crosses a longer gap.
        smoothing: α_s of Eq. 2 in (0, 1]; smaller is smoother.
        crop_top: Fraction of the picture's height cut off above.
        crop_bottom: Fraction of the height cut off below.
        crop_left: Fraction of the width cut off on the left.
        crop_right: Fraction of the width cut off on the right.
        workers: Threads that decode; 0 for one a core.
    """

    vehicle: str = 'lincoln_mkz'
    assume_speed: float | None = None
    rate_hz: float = 20.0
    max_gap_s: float = MAX_GAP_S
    smoothing: float = 0.5
    crop_top: float = 0.0
    crop_bottom: float = 0.0
    crop_left: float = 0.0
    crop_right: float = 0.0
    workers: int = 0


def convert(source: Path, out: Path, config: ConvertConfig | None = None) -> Drive:
    """Turn a recording into a drive.

    Every readable image is kept; images without label carry NaN.

    Args:
        source: A bag, or a folder with interpolated.csv.
        out: Folder of the drive; it appears only when whole.
        config: How.

    Returns:
        The drive.

    Raises:
        BagError: If the recording can't be read, or can't become a drive.
        DriveError: If ``out`` exists.
        OSError: If it can't be written.
    """
    config = config or ConvertConfig()
    vehicle = load_vehicle(config.vehicle)
    if out.exists():
        raise DriveError(f'{out} must not exist yet: remove it, or name another --out')
    partial = out.with_name(f'.{out.name}.partial')
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with open_recording(source, config) as recording:
            _write_drive(recording, partial, out.name, vehicle, config)
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Drive(out)


def _write_drive(
    recording: Recording, folder: Path, name: str, vehicle: Vehicle, config: ConvertConfig
) -> None:
    preprocessing = Preprocessing(
        config.crop_top,
        config.crop_bottom,
        config.crop_left,
        config.crop_right,
        config.rate_hz,
    )
    stamps, counts, size, frames_sha256 = _write_frames(
        recording, folder / FRAMES, preprocessing, config
    )
    labels = labels_at(recording, stamps, vehicle, config.assume_speed, config.max_gap_s)
    samples = _samples(stamps, labels, vehicle, config)
    samples.to_parquet(folder / SAMPLES, index=False)
    counts['labelled'] = int(np.isfinite(labels.curvature).sum())
    height, width = size
    description = {
        'format': FORMAT,
        'name': name,
        'version': signattn.__version__,
        'source': {'name': recording.path.name, 'format': recording.format},
        'topics': {'image': recording.image_topic, 'steering': recording.steering_topic},
        'image_size': [height, width],
        'vehicle': asdict(vehicle),
        'assume_speed': config.assume_speed if labels.speed_assumed else None,
        'smoothing': config.smoothing,
        'max_gap_s': config.max_gap_s,
        'preprocessing': preprocessing.to_mapping() | {'aspect_ratio': round(width / height, 4)},
        'counts': dict(counts),
        'duration_s': float((stamps[-1] - stamps[0]) / NS_PER_S),
        'checksums': {
            'frames_sha256': frames_sha256,
            'samples_sha256': sha256(folder / SAMPLES),
        },
    }
    text = yaml.safe_dump(description, sort_keys=False, allow_unicode=True)
    (folder / DESCRIPTION).write_text(text, encoding='utf-8')


def _write_frames(
    recording: Recording, path: Path, preprocessing: Preprocessing, config: ConvertConfig
) -> tuple[NDArray[np.int64], Counter[str], tuple[int, int], str]:
    """Decode, shrink and append; stamps, counts, picture size and checksum of what was kept."""
    counts: Counter[str] = Counter(images=0, frames=0, skipped=0, unreadable=0)
    stamps: list[int] = []
    sizes: Counter[tuple[int, int]] = Counter()
    digest = hashlib.sha256()
    reason: ImageError | None = None

    def frame(image: CameraImage) -> tuple[NDArray[np.uint8], tuple[int, int]] | ImageError:
        try:
            rgb = image.rgb()
            return network_input(rgb, preprocessing), (rgb.shape[0], rgb.shape[1])
        except ImageError as error:
            return error

    kept = _nearest_to_ticks(recording, config, counts)
    workers = config.workers or os.cpu_count() or 1
    with path.open('wb') as file, ThreadPoolExecutor(workers) as pool:
        _write_header(file, 0)
        while chunk := list(itertools.islice(kept, _CHUNK * workers)):
            for image, result in zip(chunk, pool.map(frame, chunk), strict=True):
                if isinstance(result, ImageError):
                    counts['unreadable'] += 1
                    reason = reason or result
                    continue
                data = result[0].tobytes()
                file.write(data)
                digest.update(data)
                stamps.append(image.stamp_ns)
                sizes[result[1]] += 1
        file.seek(0)
        _write_header(file, len(stamps))
    if not stamps:
        raise BagError(
            f'{recording.path}: {recording.image_topic} must hold a readable image, '
            f'got {counts["unreadable"]} unreadable of {counts["images"]}, the first: {reason}'
        )
    counts['frames'] = len(stamps)
    size = sizes.most_common(1)[0][0]
    return np.array(stamps, np.int64), counts, size, digest.hexdigest()


def _nearest_to_ticks(
    recording: Recording, config: ConvertConfig, counts: Counter[str]
) -> Iterator[CameraImage]:
    gate = RateGate(config.rate_hz, config.max_gap_s)
    last = None
    for image in recording.images():
        if last is not None and image.stamp_ns < last:
            raise BagError(
                f'{recording.path}: image stamps on {recording.image_topic} must increase, '
                f'got {image.stamp_ns} behind {last} at image {counts["images"]}'
            )
        last = image.stamp_ns
        counts['images'] += 1
        if gate.accept(image.stamp_ns):
            yield image
        else:
            counts['skipped'] += 1


def _write_header(file: BinaryIO, count: int) -> None:
    # numpy leaves room in the header for the first axis to grow in place.
    header = {'descr': '|u1', 'fortran_order': False, 'shape': (count, *FRAME_SHAPE)}
    np.lib.format.write_array_header_1_0(file, header)


def _samples(
    stamps: NDArray[np.int64], labels: Labels, vehicle: Vehicle, config: ConvertConfig
) -> pd.DataFrame:
    angle, speed = np.empty(len(stamps)), np.empty(len(stamps))
    for part in stretches(stamps, config.max_gap_s):
        angle[part] = smooth(labels.steering_angle[part], config.smoothing)
        speed[part] = smooth(labels.speed[part], config.smoothing)
    columns = (
        stamps,
        labels.steering_angle,
        labels.speed,
        labels.curvature,
        angle,
        speed,
        curvature_from_steering(angle, speed, vehicle),
    )
    samples: pd.DataFrame = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
    return samples
