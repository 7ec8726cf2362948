"""What is measured on a recording or a drive before anything is said about it."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from signattn.bag import Series, in_order
from signattn.labels import Labels
from signattn.preprocess import NS_PER_S, Image

BLACK, WHITE = 12, 250
"""Of 255: a pixel at most, or at least, as bright shows nothing."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture of the sample.

    Attributes:
        stamp_ns: ns.
        height: Rows of the picture as it was recorded.
        width: Columns.
        brightness: Mean of the brightest channel of the network's input, 0 to 1.
        black: Share of its pixels that are black.
        white: Share of its pixels that are white.
    """

    stamp_ns: int
    height: int
    width: int
    brightness: float
    black: float
    white: float

    @classmethod
    def of(cls, stamp_ns: int, size: tuple[int, int], frame: Image) -> 'Picture':
        """Measure the network's input, (80, 160, 3) uint8, HSV, made of a picture of that size."""
        value = frame[..., 2]
        return cls(
            stamp_ns,
            *size,
            brightness=float(value.mean()) / 255,
            black=float((value <= BLACK).mean()),
            white=float((value >= WHITE).mean()),
        )


@dataclass(frozen=True, eq=False)
class Images:
    """The images of a camera: all stamps, and a sample that was decoded.

    Attributes:
        stamps_ns: (N,) int64, ns, in the order of recording.
        received_ns: (N,) int64, ns, when they were received; as stamps_ns where nobody knows.
        repeats: (N,) bool, whether an image has the same bytes as the one before.
        encodings: Encodings or formats, in order of appearance.
        sampled: Images that were tried to decode.
        pictures: Those that could be.
        unreadable: What was wrong with the others.
        shown: Some of them for the eye: stamp (ns) and (H, W, 3) uint8, RGB.
        motion_ns: (M,) int64, ns, middle of the pairs whose motion was measured.
        motion: (M,) float64, px/s of the 160 px wide picture; positive where the picture moves
            right.
    """

    stamps_ns: NDArray[np.int64]
    received_ns: NDArray[np.int64]
    repeats: NDArray[np.bool_]
    encodings: list[str]
    sampled: int
    pictures: list[Picture]
    unreadable: list[str]
    shown: list[tuple[int, Image]]
    motion_ns: NDArray[np.int64]
    motion: NDArray[np.float64]

    @cached_property
    def ordered_ns(self) -> NDArray[np.int64]:
        """(M,) int64, ns, the stamps without those that go backwards."""
        return self.stamps_ns[in_order(self.stamps_ns)]


@dataclass(frozen=True, eq=False)
class Clock:
    """Header stamps of a topic against the times at which its messages were received.

    Attributes:
        topic: Its name.
        received_ns: (N,) int64, ns.
        offset_s: (N,) float64, s, stamp minus receipt, without stamps of 0.
        zeros: Messages whose stamp is 0.
    """

    topic: str
    received_ns: NDArray[np.int64]
    offset_s: NDArray[np.float64]
    zeros: int = 0

    @classmethod
    def of(
        cls, topic: str, stamp_ns: NDArray[np.int64], received_ns: NDArray[np.int64]
    ) -> 'Clock':
        """Of all messages of a topic, stamps of 0 included."""
        known = stamp_ns != 0
        offset_s = (stamp_ns - received_ns)[known] / NS_PER_S
        return cls(topic, received_ns[known], offset_s, int(np.sum(~known)))

    @property
    def median_s(self) -> float:
        """Median offset, s; NaN without messages."""
        return float(np.median(self.offset_s)) if self.offset_s.size else np.nan

    @property
    def spread_s(self) -> float:
        """Half the width of the middle 90 % of the offsets, s."""
        if not self.offset_s.size:
            return np.nan
        low, high = np.percentile(self.offset_s, (5, 95))
        return float(high - low) / 2

    @property
    def drift_s(self) -> float:
        """How far the offset's median moved from the first to the last tenth, s."""
        if not self.offset_s.size:
            return np.nan
        tenth = max(1, self.offset_s.size // 10)
        return float(np.median(self.offset_s[-tenth:]) - np.median(self.offset_s[:tenth]))


@dataclass(frozen=True)
class Agreement:
    """How the picture's motion follows the steering.

    Attributes:
        correlation: Of motion and turn at the best lag, −1 to 1; negative if they oppose.
        lag_s: s by which the turn comes behind the motion there.
        correlation_unshifted: At lag 0.
        pairs: Pairs of pictures that it was measured on.
        span_s: s, from the first to the last of them.
    """

    correlation: float
    lag_s: float
    correlation_unshifted: float
    pairs: int
    span_s: float


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that was measured.

    Attributes:
        name: Of the recording or drive.
        topics: Topic of ``camera``, ``steering`` and ``speed``, as far as they are there.
        images: Of the camera.
        frames_ns: (F,) int64, ns, the images that ``convert`` keeps, or kept.
        labels: At frames_ns; all NaN where there are none.
        steering: As recorded; None if there is none.
        speed: As recorded; None if there is none.
        rate_hz: Frames a second that the network learns.
        max_gap_s: s, a longer step is a gap.
        aspect_ratio: Width over height of what the network sees, behind the crop; None if
            unknown.
        clocks: Of the topics that have header stamps.
        agreement: None where it can't be measured.
    """

    name: str
    topics: dict[str, str]
    images: Images
    frames_ns: NDArray[np.int64]
    labels: Labels
    steering: Series | None
    speed: Series | None
    rate_hz: float
    max_gap_s: float
    aspect_ratio: float | None = None
    clocks: list[Clock] = field(default_factory=list)
    agreement: Agreement | None = None
