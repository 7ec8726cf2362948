"""How recordings become drives, and with how many hands."""

import dataclasses
import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signattn.bag import Selection
from signattn.preprocess import MAX_GAP_S, Preprocessing


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
        reduced: Decode large JPEGs at a half or a quarter of their size: faster, but not what a
            vehicle does.
        side_cameras_deg: Degrees at the wheel. Also makes drives NAME-left and NAME-right of the
            cameras beside the centre one, the left one's angles lowered by this correction, the
            right one's raised.
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
    reduced: bool = False
    side_cameras_deg: float | None = None

    def __post_init__(self) -> None:
        """Refuse what can't be, also where a drive is there already or the option isn't needed."""
        self.preprocessing()
        if not self.max_gap_s > 0:
            raise ValueError(f'max_gap_s must be above 0, got {self.max_gap_s}')
        if not 0 < self.smoothing <= 1:
            raise ValueError(f'smoothing must be in (0, 1], got {self.smoothing}')
        speed = self.assume_speed
        if speed is not None and not (math.isfinite(speed) and speed >= 0):
            raise ValueError(f'--assume-speed must be at least 0 m/s, got {speed}')
        degrees = self.side_cameras_deg
        if degrees is not None and not (math.isfinite(degrees) and degrees >= 0):
            raise ValueError(f'side_cameras_deg must be at least 0, got {degrees}')

    def preprocessing(self) -> Preprocessing:
        """What is done to the pictures.

        Raises:
            ValueError: If crop or rate can't be.
        """
        return Preprocessing(
            self.crop_top,
            self.crop_bottom,
            self.crop_left,
            self.crop_right,
            self.rate_hz,
            reduced=self.reduced,
        )


@dataclass(frozen=True)
class WorkConfig:
    """Who does the work; the drives are the same whoever does it.

    Attributes:
        workers: Cores to use on this machine; 0 for all.
        dask: Address of a Dask scheduler, such as tcp://10.0.0.1:8786, whose workers see the
            same files; this machine alone if not given.
    """

    workers: int = 0
    dask: str | None = None

    def __post_init__(self) -> None:
        """Refuse less than nobody."""
        if self.workers < 0:
            raise ValueError(f'workers must be at least 0, got {self.workers}')


def options(config: ConvertConfig) -> dict[str, Any]:
    """Options that decide what a drive holds, as drive.yaml keeps them.

    Args:
        config: All options. ``vehicle`` is left out, since its constants are kept, and
            ``strict``, since a drive that passes is the same; of ``msg_path`` the content counts.

    Returns:
        Plain values.
    """
    kept = dataclasses.asdict(config)
    del kept['vehicle'], kept['strict'], kept['side_cameras_deg']
    kept['msg_path'] = _digest(config.msg_path) if config.msg_path else None
    return kept


def with_absolute_paths(config: ConvertConfig) -> ConvertConfig:
    """The same options for a process that stands in another folder.

    Args:
        config: All options.

    Returns:
        Them, with the places of files spelt out.
    """
    vehicle, msg_path = Path(config.vehicle), config.msg_path
    return dataclasses.replace(
        config,
        vehicle=str(vehicle.absolute()) if vehicle.suffix else config.vehicle,
        msg_path=msg_path.absolute() if msg_path else None,
    )


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.rglob('*.msg')):
        text = file.read_bytes()
        digest.update(f'{file.relative_to(folder)} {len(text)}\n'.encode() + text)
    return digest.hexdigest()
