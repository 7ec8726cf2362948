"""How recordings are inspected."""

from dataclasses import dataclass

from signattn.bag import Selection
from signattn.preprocess import MAX_GAP_S


@dataclass(frozen=True)
class InspectConfig(Selection):
    """What to look at, and as what.

    Attributes:
        strict: Whether a warning or damage ends with status 1.
        vehicle: Name of a shipped vehicle, or the path of a vehicle file.
        assume_speed: m/s, for recordings without speed.
        rate_hz: Frames a second that convert would keep.
        max_gap_s: s; a longer step between images or labels is a gap.
        pictures: How many pictures are decoded, spread evenly; of the others only the stamps are
            read.
    """

    strict: bool = False
    vehicle: str = 'lincoln_mkz'
    assume_speed: float | None = None
    rate_hz: float = 20.0
    max_gap_s: float = MAX_GAP_S
    pictures: int = 200

    def __post_init__(self) -> None:
        """Refuse samples of nothing."""
        if self.pictures < 1:
            raise ValueError(f'pictures must be at least 1, got {self.pictures}')
