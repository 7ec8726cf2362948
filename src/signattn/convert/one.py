"""One recording becomes one drive."""

import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import yaml

import signattn
from signattn.bag import BagError, Recording, open_recording
from signattn.convert.config import ConvertConfig, options
from signattn.convert.identity import fingerprint
from signattn.convert.pictures import REPORTS, Pictures, write_frames
from signattn.convert.place import Place, full_disk
from signattn.convert.samples import samples
from signattn.convert.watch import Watch
from signattn.drive import DESCRIPTION, FORMAT, SAMPLES, Drive, DriveError, sha256
from signattn.labels import Labels, labels_at
from signattn.preprocess import NS_PER_S
from signattn.statistics import label_statistics, time_statistics
from signattn.vehicle import Vehicle, curvature_from_steering, load_vehicle

Side = Literal['left', 'right']
_SIGN = {'left': -1, 'right': 1}


@dataclass(frozen=True)
class Job:
    """One drive to be made.

    Attributes:
        source: A bag, or a folder with pictures and a table.
        out: Folder of the drive.
        config: How.
        side: The camera beside the centre one that it is made of; the centre one if not given.
        threads: Threads that decode.
        stop: The work ends when this file appears.
    """

    source: Path
    out: Path
    config: ConvertConfig
    side: Side | None = None
    threads: int = 1
    stop: Path | None = None


def is_done(job: Job) -> bool:
    """Whether a drive is there already, made from the same recording with the same options.

    Args:
        job: Which, and how.

    Returns:
        False if nothing is there.

    Raises:
        DriveError: If something else is in the drive's place.
        ValueError: If an option is wrong.
        OSError: If the recording can't be read.
    """
    return _is_done(job, _made_from(job))


def make_drive(job: Job) -> bool:
    """Turn a recording into a drive, unless that is done.

    Args:
        job: Which, and how.

    Returns:
        Whether it had to be made: False if another run did that in the meantime.

    Raises:
        BagError: If the recording can't be read, or can't become a drive.
        DriveError: If something else is in the drive's place, another run is writing there, or
            the disk is full.
        StoppedError: If the run was asked to end.
        ValueError: If an option is wrong.
        OSError: If the drive can't be written.
    """
    made_from = _made_from(job)
    # Our own threads decode side by side. OpenCV's would wait for each other between them: a
    # picture is too small to be shared.
    opencv_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with Place(job.out) as place:
            if _is_done(job, made_from):  # by the run that was waited for
                return False
            _make(job, made_from, place)
    except OSError as error:
        raise full_disk(error, job.out) or error from error
    finally:
        cv2.setNumThreads(opencv_threads)
    return True


def _made_from(job: Job) -> dict[str, Any]:
    """What tells whether a drive is the one that is wanted."""
    config = job.config
    side = None
    if job.side:
        correction_deg = _SIGN[job.side] * float(config.side_cameras_deg or 0.0)
        side = {'camera': job.side, 'correction_deg': correction_deg}
    return {
        'fingerprint': fingerprint(job.source),
        'vehicle': asdict(load_vehicle(config.vehicle)),
        'side_camera': side,
        'options': options(config),
    }


def _is_done(job: Job, made_from: dict[str, Any]) -> bool:
    """Whether the drive is there; refuses another one in its place."""
    if not job.out.exists():
        return False
    if not (job.out / DESCRIPTION).is_file():
        raise DriveError(f'{job.out} must not exist yet: remove it, or name another --out')
    description = Drive(job.out).description
    if different := _differences(description, made_from):
        raise DriveError(
            f'{job.out} must be the drive that these options make of {job.source}, '
            f'got {different}: remove it, or name another --out'
        )
    counts = description['counts']
    if job.config.strict and (counts['unreadable'] or counts['damaged']):
        raise DriveError(
            f'{job.out} must be without damage with --strict, got {counts["unreadable"]} '
            f'unreadable images and {counts["damaged"]} damaged places'
        )
    return True


def _differences(there: Mapping[str, Any], wanted: dict[str, Any]) -> str:
    if 'fingerprint' not in there:
        return 'one that an older version made'
    said = []
    if there['fingerprint'] != wanted['fingerprint']:
        said.append('one of another recording')
    for key in ('vehicle', 'side_camera', 'options'):
        ours, theirs = (it[key] or {} for it in (wanted, there))
        names = [name for name in {**ours, **theirs} if theirs.get(name) != ours.get(name)]
        said += [f'{name} {theirs.get(name)} instead of {ours.get(name)}' for name in names]
    return ', '.join(said)


def _make(job: Job, made_from: dict[str, Any], place: Place) -> None:
    config = job.config
    vehicle = load_vehicle(config.vehicle)
    with open_recording(job.source, config) as recording:
        camera = _camera(job, recording)
        total = sum(topic.count for topic in recording.topics if topic.name == camera)
        watch = Watch(place.folder, total, job.stop)
        try:
            pictures = write_frames(recording, camera, place.frames, config, job.threads, watch)
        finally:
            watch.close()
        stamps = np.array(pictures.stamps, np.int64)
        labels = labels_at(recording, stamps, vehicle, config.assume_speed, config.max_gap_s)
        labels = _corrected(labels, made_from['side_camera'], vehicle)
        table = io.BytesIO()
        samples(stamps, labels, vehicle, config.smoothing, config.max_gap_s).to_parquet(
            table, index=False
        )
        place.write(SAMPLES, table.getvalue())
        description = {
            'format': FORMAT,
            'name': job.out.name,
            'version': signattn.__version__,
            **_described(recording, camera, pictures, labels, config),
            **made_from,
            'checksums': {
                'frames_sha256': pictures.frames_sha256,
                'samples_sha256': sha256(place.folder / SAMPLES),
            },
        }
    text = yaml.safe_dump(description, sort_keys=False, allow_unicode=True)
    place.write(DESCRIPTION, text.encode())
    place.finish()


def _camera(job: Job, recording: Recording) -> str:
    """The camera that the drive is made of."""
    if job.side is None:
        return recording.image_topic
    beside = recording.side_cameras()
    if job.side not in beside:
        raise BagError(
            f'{recording.path} must have a camera on the {job.side} for --side-cameras, '
            f'got {", ".join(recording.cameras())}'
        )
    return beside[job.side]


def _corrected(labels: Labels, side: dict[str, Any] | None, vehicle: Vehicle) -> Labels:
    """Labels as a camera beside the centre one should answer."""
    if side is None:
        return labels
    angle = labels.steering_angle + np.radians(side['correction_deg'])
    curvature = curvature_from_steering(angle, labels.speed, vehicle)
    return replace(labels, steering_angle=angle, curvature=curvature)


def _described(
    recording: Recording, camera: str, pictures: Pictures, labels: Labels, config: ConvertConfig
) -> dict[str, Any]:
    """What drive.yaml says of the recording and of what became of it."""
    height, width = pictures.sizes.most_common(1)[0][0]
    stamps = np.array(pictures.stamps, np.int64)
    damage = list(dict.fromkeys((it.where, it.what) for it in recording.damage))
    measured = label_statistics(labels.steering_angle, labels.speed, labels.curvature)
    counts = dict(pictures.counts) | {
        'damaged': len(damage),
        'labelled': measured.pop('labelled'),
    }

    def plain(text: str) -> str:
        """Without the place where the recording lies on this machine."""
        return text.replace(str(recording.path), recording.path.name)

    return {
        'source': {'name': recording.path.name, 'format': recording.format},
        'topics': {
            'image': camera,
            'steering': recording.steering_topic,
            'speed': recording.speed_topic,
        },
        'image_size': [height, width],
        'assume_speed': config.assume_speed if labels.speed_assumed else None,
        'smoothing': config.smoothing,
        'max_gap_s': config.max_gap_s,
        'preprocessing': config.preprocessing().to_mapping()
        | {'aspect_ratio': round(width / height, 4)},
        'counts': counts,
        'duration_s': float((stamps[-1] - stamps[0]) / NS_PER_S),
        'statistics': time_statistics(stamps, config.max_gap_s) | measured,
        'notes': [plain(note) for note in recording.notes],
        'unreadable': [plain(text) for text in pictures.unreadable],
        'damage': [{'where': plain(a), 'what': plain(b)} for a, b in damage[:REPORTS]],
    }
