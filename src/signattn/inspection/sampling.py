"""One pass over a camera's images: every stamp, and a sample of decoded pictures."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from signattn.inspection.evidence import Images, Picture
from signattn.motion import horizontal_shift
from signattn.preprocess import NS_PER_S, Image, ImageError

PAIR_S = 0.04
"""s; the motion is measured between a picture of the sample and the first one this much later."""
SHOWN = 12
"""Pictures kept for the eye."""
SHOWN_WIDTH = 320
"""px."""


class Look(NamedTuple):
    """A decoded picture.

    Attributes:
        frame: (80, 160, 3) uint8, HSV: the network's input.
        size: Height and width as recorded.
        rgb: (H, W, 3) uint8, RGB, for the eye.
    """

    frame: Image
    size: tuple[int, int]
    rgb: Image


@dataclass(frozen=True, eq=False)
class Shot:
    """An image that can be decoded.

    Attributes:
        stamp_ns: ns.
        received_ns: ns.
        data: Its bytes, as stored.
        encoding: Encoding or format.
        look: Decodes it; may raise ImageError.
    """

    stamp_ns: int
    received_ns: int
    data: NDArray[np.uint8]
    encoding: str
    look: Callable[[], Look]


class _Sample:
    """Decodes the pictures of the sample, and behind each the one that its motion needs."""

    def __init__(self, count: int, size: int, max_gap_s: float) -> None:
        wanted = _spread(count, size)
        self._wanted = set(wanted)
        self._to_show = {wanted[index] for index in _spread(len(wanted), SHOWN)}
        self._max_gap_s = max_gap_s
        self._before: tuple[int, Image] | None = None
        self.sampled = 0
        self.pictures: list[Picture] = []
        self.unreadable: list[str] = []
        self.shown: list[tuple[int, Image]] = []
        self.motion: list[tuple[int, float]] = []

    def take(self, index: int, shot: Shot) -> None:
        """Look at the next image if it is wanted."""
        if self._before and shot.stamp_ns < self._before[0]:
            self._before = None
        follows = self._before is not None and (
            shot.stamp_ns - self._before[0] >= PAIR_S * NS_PER_S
        )
        if not follows and index not in self._wanted:
            return
        look = self._look(shot, counted=index in self._wanted)
        if follows:
            self._measure_motion(shot.stamp_ns, look)
        if look and index in self._wanted:
            self.pictures.append(Picture.of(shot.stamp_ns, look.size, look.frame))
            self._before = self._before or (shot.stamp_ns, look.frame)
            if index in self._to_show:
                self.shown.append((shot.stamp_ns, _thumbnail(look.rgb)))

    def _look(self, shot: Shot, *, counted: bool) -> Look | None:
        self.sampled += counted
        try:
            return shot.look()
        except ImageError as error:
            if counted:
                self.unreadable.append(str(error))
            return None

    def _measure_motion(self, stamp_ns: int, look: Look | None) -> None:
        before, self._before = self._before, None
        if before is None or look is None:
            return
        passed_s = (stamp_ns - before[0]) / NS_PER_S
        if passed_s <= self._max_gap_s:
            shift = horizontal_shift(before[1][..., 2], look.frame[..., 2])
            self.motion.append(((before[0] + stamp_ns) // 2, shift / passed_s))


def sample_images(
    shots: Iterable[Shot],
    count: int,
    size: int,
    max_gap_s: float,
    progress: Callable[[int, int], None] | None = None,
) -> Images:
    """Read all stamps, and decode some pictures spread evenly.

    Args:
        shots: The camera's images in the order of recording; one is in memory at a time.
        count: How many there should be: the sample is spread over so many.
        size: Pictures of the sample.
        max_gap_s: s; no motion is measured across a longer gap.
        progress: Called now and then with images done and count.

    Returns:
        What was found.
    """
    sample = _Sample(count, size, max_gap_s)
    stamps, received, repeats = [], [], []
    encodings: dict[str, None] = {}
    before: NDArray[np.uint8] | None = None
    for index, shot in enumerate(shots):
        stamps.append(shot.stamp_ns)
        received.append(shot.received_ns)
        same = before is not None and before.size > 0 and np.array_equal(before, shot.data)
        repeats.append(same)
        encodings.setdefault(shot.encoding)
        sample.take(index, shot)
        before = shot.data
        if progress and index % 100 == 0:
            progress(index, count)
    motion_ns, motion = zip(*sample.motion, strict=True) if sample.motion else ((), ())
    return Images(
        stamps_ns=np.array(stamps, np.int64),
        received_ns=np.array(received, np.int64),
        repeats=np.array(repeats, bool),
        encodings=list(encodings),
        sampled=sample.sampled,
        pictures=sample.pictures,
        unreadable=sample.unreadable,
        shown=sample.shown,
        motion_ns=np.array(motion_ns, np.int64),
        motion=np.array(motion, float),
    )


def _spread(count: int, size: int) -> list[int]:
    """At most ``size`` of ``count`` places, spread evenly, first and last among them."""
    places = np.linspace(0, count - 1, min(count, size)).round().astype(int)
    return [place for place, _ in itertools.groupby(places.tolist())]


def _thumbnail(rgb: Image) -> Image:
    height = max(1, round(SHOWN_WIDTH * rgb.shape[0] / rgb.shape[1]))
    small = cv2.resize(rgb, (SHOWN_WIDTH, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)
