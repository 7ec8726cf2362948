"""The masks of a rendered drive on the network's grid of pixels."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from signattn.drive import Drive, DriveError
from signattn.masks import CUE, GROUND, LINES, SCENERY, Bytes, read_masks
from signattn.model.encoder import COLUMNS, ROWS
from signattn.preprocess import HEIGHT, WIDTH, network_input

Coverage = NDArray[np.float32]

PARTS: dict[str, tuple[int, ...]] = {
    'lines': (LINES,),
    'road': (GROUND, LINES),
    'moved': (GROUND, LINES, SCENERY),
    'cue': (CUE,),
}
"""What the pixels are counted as causal that a mask gives one of these values."""

_NEAR = 0.01  # of an aspect ratio


def masks_beside(drive: Drive, folder: Path) -> Path:
    """Where the masks of a drive are, if they still lie beside the recording it was made of.

    Args:
        drive: The drive.
        folder: Where ``signattn synth`` wrote the recording.

    Returns:
        ``NAME.masks.zip`` in the folder.
    """
    name = str(drive.description['source']['name'])
    return folder / f'{name.removesuffix(".bag")}.masks.zip'


def require_masks(drives: Sequence[Drive], folder: Path) -> None:
    """Refuse drives whose masks aren't there, before hours go into what they are for.

    Args:
        drives: Converted from recordings of ``signattn synth``.
        folder: Where these were written.

    Raises:
        DriveError: If one has no masks there.
    """
    for drive in drives:
        path = masks_beside(drive, folder)
        if not path.is_file():
            raise DriveError(
                f'masks must hold {path.name} for {drive.path}, got a folder without it, {folder}'
            )


def coverage(drive: Drive, path: Path, values: Sequence[int] = PARTS['lines']) -> Coverage:
    """How much of each of the network's pixels shows what a mask gives one of some values.

    A frame's mask is the one of its stamp. It goes through the drive's own crop and resizing.

    Args:
        drive: Converted from a recording of ``signattn synth``.
        path: ``NAME.masks.zip``, written with the recording.
        values: Of the masks' pixels, as in ``PARTS``.

    Returns:
        (N, 80, 160) float32 in [0, 1].

    Raises:
        BagError: If the masks can't be read.
        DriveError: If a frame has no mask, or one of another aspect ratio than its picture.
    """
    covered = np.empty((len(drive), HEIGHT, WIDTH), np.float32)
    with read_masks(path) as masks:
        stamps = drive.stamps_ns.tolist()
        missing = [stamp for stamp in stamps if stamp not in masks]
        if missing:
            raise DriveError(
                f'{path} must hold a mask for each of the {len(drive)} frames of {drive.path}, '
                f'got none for {len(missing)}, the first at {missing[0]} ns: these masks belong '
                'to another recording'
            )
        for index, stamp in enumerate(stamps):
            mask = masks[stamp]
            _check_shape(drive, path, mask)
            covered[index] = _shrunk(drive, np.isin(mask, values))
    return covered


def _check_shape(drive: Drive, path: Path, mask: Bytes) -> None:
    expected = drive.preprocessing.aspect_ratio
    height, width = mask.shape
    if expected is not None and abs(width / height - expected) > _NEAR:
        raise DriveError(
            f'{path} must hold masks of aspect ratio {expected} as the pictures of {drive.path}, '
            f'got {height}×{width}'
        )


def _shrunk(drive: Drive, shown: NDArray[np.bool_]) -> Coverage:
    """Through the code that made the frames: of a grey picture V is the grey value."""
    grey = cv2.cvtColor(np.where(shown, 255, 0).astype(np.uint8), cv2.COLOR_GRAY2RGB)
    frame = network_input(np.asarray(grey, np.uint8), drive.preprocessing)
    return np.asarray(frame[..., 2] / np.float32(255), np.float32)


def through_cells(covered: NDArray[np.floating]) -> NDArray[np.float64]:
    """What a map of 10×20 cells could say of the truth at best.

    Args:
        covered: (N, 80, 160) float.

    Returns:
        (N, 80, 160) float64: in each pixel the mean over its cell.
    """
    N, high, wide = len(covered), HEIGHT // ROWS, WIDTH // COLUMNS
    cells = covered.reshape(N, ROWS, high, COLUMNS, wide)
    means = cells.mean((2, 4), dtype=np.float64)
    return np.asarray(means.repeat(high, 1).repeat(wide, 2))
