"""The pictures of a recording become the frames of a drive, in order, by many hands."""

import hashlib
from array import array
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from signattn.bag import BagError, CameraImage, Recording, in_order
from signattn.bag.jpeg import START, Scratch, jpeg_size
from signattn.convert.config import ConvertConfig
from signattn.convert.watch import Watch
from signattn.drive import FRAME_SHAPE
from signattn.preprocess import Image, ImageError, Preprocessing, RateGate, network_input

REPORTS = 20
"""As many reports of damage are kept; the rest is counted."""

_BATCH = 16  # images that a thread takes at once
_BATCH_BYTES = 1 << 22  # or fewer, if they are large
_AHEAD_BYTES = 1 << 27  # read, not yet decoded

_SCRATCH = Scratch()

Frame = tuple[NDArray[np.uint8], tuple[int, int]]
"""(80, 160, 3) uint8, HSV, and the picture's height and width."""


@dataclass
class Pictures:
    """What became of a recording's pictures.

    Attributes:
        counts: ``images`` = ``frames`` + ``skipped`` + ``out_of_order`` + ``unreadable``.
        stamps: ns, of the frames.
        sizes: Height and width of the pictures, and how many there were of each.
        unreadable: What was wrong with the first that couldn't be read.
        frames_sha256: Checksum of the frames.
    """

    counts: Counter[str] = field(
        default_factory=lambda: Counter(
            images=0, frames=0, skipped=0, out_of_order=0, unreadable=0
        )
    )
    stamps: 'array[int]' = field(default_factory=lambda: array('q'))
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)
    frames_sha256: str = ''


def write_frames(
    recording: Recording,
    camera: str,
    file: BinaryIO,
    config: ConvertConfig,
    threads: int,
    watch: Watch,
) -> Pictures:
    """Decode, shrink and append.

    Args:
        recording: Where the pictures come from.
        camera: Whose pictures.
        file: Gets the frames as .npy.
        config: Rate, crop, and whether damage is an error.
        threads: Threads that decode; with one, the caller's own does.
        watch: Is told how many images are done.

    Returns:
        What became of them.

    Raises:
        BagError: If no picture can be read or, with ``strict``, one can't be read or goes back in
            time.
        OSError: If the frames can't be written.
    """
    try:
        return _write(recording, camera, file, config, threads, watch)
    except _BackwardsError as error:
        if config.strict:
            raise BagError(str(error)) from error
    # Rare enough to begin again: which ones to leave out shows only when all are known.
    chosen = in_order(np.array([image.stamp_ns for image in recording.images(camera)], np.int64))
    file.seek(0)
    file.truncate()
    return _write(recording, camera, file, config, threads, watch, chosen)


class _BackwardsError(Exception):
    """An image is stamped before the one in front of it."""


def _write(
    recording: Recording,
    camera: str,
    file: BinaryIO,
    config: ConvertConfig,
    threads: int,
    watch: Watch,
    chosen: NDArray[np.bool_] | None = None,
) -> Pictures:
    pictures = Pictures()
    digest = hashlib.sha256()
    images = _forward(recording, camera, pictures.counts, watch, chosen)
    kept = _nearest_to_ticks(images, config, pictures.counts)
    _write_header(file, 0)
    for image, frame in _decoded(kept, config.preprocessing(), threads):
        if isinstance(frame, ImageError):
            _note_unreadable(pictures, frame, recording, strict=config.strict)
            continue
        data, size = frame
        file.write(data.data)
        digest.update(data.data)
        pictures.stamps.append(image.stamp_ns)
        pictures.sizes[size] += 1
    if not pictures.stamps:
        raise BagError(_nothing_readable(recording, camera, pictures))
    pictures.counts['frames'] = len(pictures.stamps)
    pictures.frames_sha256 = digest.hexdigest()
    file.seek(0)
    _write_header(file, len(pictures.stamps))
    return pictures


def _decoded(
    images: Iterator[CameraImage], preprocessing: Preprocessing, threads: int
) -> Iterator[tuple[CameraImage, Frame | ImageError]]:
    """Each image with its frame; reading goes on while others decode."""
    make = partial(_frame, preprocessing=preprocessing)
    # Several at a time also by one thread: reading and decoding would else drive each other's
    # code and data out of the processor's cache.
    batches = _batches(images)
    if threads == 1:
        for batch in batches:
            yield from zip(batch, [make(image) for image in batch], strict=True)
        return
    waiting: deque[tuple[list[CameraImage], Future[list[Frame | ImageError]]]] = deque()
    ahead = 0
    with ThreadPoolExecutor(threads) as pool:
        try:
            for batch in batches:
                waiting.append((batch, pool.submit(lambda them: [*map(make, them)], batch)))
                ahead += _size(batch)
                while len(waiting) > 2 * threads or ahead > _AHEAD_BYTES:
                    done, future = waiting.popleft()
                    ahead -= _size(done)
                    yield from zip(done, future.result(), strict=True)
            while waiting:
                done, future = waiting.popleft()
                yield from zip(done, future.result(), strict=True)
        finally:
            pool.shutdown(cancel_futures=True)


def _batches(images: Iterable[CameraImage]) -> Iterator[list[CameraImage]]:
    batch: list[CameraImage] = []
    size = 0
    for image in images:
        batch.append(image)
        size += image.data.nbytes
        if len(batch) == _BATCH or size > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _size(batch: list[CameraImage]) -> int:
    return sum(image.data.nbytes for image in batch)


def _frame(image: CameraImage, preprocessing: Preprocessing) -> Frame | ImageError:
    try:
        rgb = image.rgb(preprocessing, _SCRATCH)
        return network_input(rgb, preprocessing), _recorded_size(
            image, rgb, reduced=preprocessing.reduced
        )
    except ImageError as error:
        return error


def _recorded_size(image: CameraImage, rgb: Image, *, reduced: bool) -> tuple[int, int]:
    """Height and width of a picture, whether it was decoded whole or not."""
    if reduced and not image.encoding and image.data[:2].tobytes() == START:
        return jpeg_size(image.data.tobytes())
    return rgb.shape[0], rgb.shape[1]


def _forward(
    recording: Recording,
    camera: str,
    counts: Counter[str],
    watch: Watch,
    chosen: NDArray[np.bool_] | None,
) -> Iterator[CameraImage]:
    """The images but for those that go back in time."""
    last = None
    for index, image in enumerate(recording.images(camera)):
        counts['images'] += 1
        watch.done(counts['images'])
        if chosen is not None and not chosen[index]:
            counts['out_of_order'] += 1
            continue
        if last is not None and image.stamp_ns < last:
            raise _BackwardsError(
                f'{recording.path}: image stamps on {camera} must increase, '
                f'got {image.stamp_ns} behind {last} at image {index}'
            )
        last = image.stamp_ns
        yield image


def _nearest_to_ticks(
    images: Iterator[CameraImage], config: ConvertConfig, counts: Counter[str]
) -> Iterator[CameraImage]:
    gate = RateGate(config.rate_hz, config.max_gap_s)
    for image in images:
        if gate.accept(image.stamp_ns):
            yield image
        else:
            counts['skipped'] += 1


def _note_unreadable(
    pictures: Pictures, error: ImageError, recording: Recording, *, strict: bool
) -> None:
    if strict:
        raise BagError(f'{recording.path}: every image must be readable with --strict: {error}')
    pictures.counts['unreadable'] += 1
    if len(pictures.unreadable) < REPORTS:
        pictures.unreadable.append(str(error))


def _nothing_readable(recording: Recording, camera: str, pictures: Pictures) -> str:
    counts = pictures.counts
    first = f', the first: {pictures.unreadable[0]}' if pictures.unreadable else ''
    return (
        f'{recording.path}: {camera} must hold a readable image, '
        f'got {counts["unreadable"]} unreadable of {counts["images"]}{first}'
    )


def _write_header(file: BinaryIO, count: int) -> None:
    # numpy leaves room in the header for the first axis to grow in place.
    header = {'descr': '|u1', 'fortran_order': False, 'shape': (count, *FRAME_SHAPE)}
    np.lib.format.write_array_header_1_0(file, header)
