"""Masks of pictures by stamp: a zip of PNGs that says what each pixel shows."""

import os
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from signattn.bag import BagError

Bytes = NDArray[np.uint8]

# Values of a mask's pixels, far enough apart to be seen in any viewer; what may cover what.
NOTHING, GROUND, LINES, SCENERY, CUE = 0, 64, 128, 192, 255
VALUES = (NOTHING, GROUND, LINES, SCENERY, CUE)


class _Masks(Mapping[int, Bytes]):
    """Masks by stamp, each decoded when it is asked for."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path, self._archive = path, archive
        names = {}
        for name in archive.namelist():
            if not re.fullmatch(r'\d{1,19}\.png', name):
                raise BagError(f'{path}: names must be STAMP_NS.png, got {name!r}')
            names[int(name[:-4])] = name
        self._names = dict(sorted(names.items()))

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[int]:
        return iter(self._names)

    def __getitem__(self, stamp_ns: int) -> Bytes:
        where = f'{self._path}: {self._names[stamp_ns]}'
        try:
            data = np.frombuffer(self._archive.read(self._names[stamp_ns]), np.uint8)
            mask = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
        except (OSError, zipfile.BadZipFile, zlib.error, cv2.error) as error:
            raise BagError(f'{where} must be readable, got: {error}') from error
        if mask is None or mask.ndim != 2 or mask.dtype != np.uint8:
            raise BagError(f'{where} must be an 8-bit grey PNG, got another kind of file')
        strange = np.setdiff1d(mask, VALUES)
        if strange.size:
            raise BagError(f'{where} must hold {list(VALUES)} alone, got {strange[0]}')
        return np.asarray(mask, np.uint8)


@contextmanager
def read_masks(path: Path) -> Iterator[Mapping[int, Bytes]]:
    """Open the masks that ``signattn synth`` wrote beside a bag.

    Args:
        path: ``NAME.masks.zip``.

    Yields:
        By the stamp of their picture, ns, in rising order: the masks (H, W) uint8, their pixels
        ``VALUES``. Each is read when it is asked for, as long as the block lasts.

    Raises:
        BagError: If the file is no zip of ``STAMP_NS.png``, or, when it is asked for, a mask is
            damaged.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise BagError(f'{path} must be a readable zip of masks, got: {error}') from error
    with archive:
        yield _Masks(path, archive)


class MaskWriter:
    """Puts masks into a zip, the same bytes for the same masks."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        """Write into an open archive."""
        self._archive = archive

    def add(self, stamp_ns: int, mask: Bytes) -> None:
        """Store the mask (H, W) uint8 of the picture with a stamp in ns."""
        _, png = cv2.imencode('.png', mask)
        # A fixed date, so that the same drive gives the same file.
        self._archive.writestr(zipfile.ZipInfo(f'{stamp_ns}.png'), png.tobytes())


@contextmanager
def write_masks(path: Path) -> Iterator[MaskWriter]:
    """Write a file of masks that appears when the block ends well, or not at all.

    Args:
        path: ``NAME.masks.zip``, not there yet.

    Yields:
        What takes the masks.

    Raises:
        ValueError: If the place is taken.
    """
    if path.exists():
        raise ValueError(f'{path} must not exist yet, got an older one; remove it first')
    handle, name = tempfile.mkstemp(prefix=f'.{path.name}.', dir=path.parent)
    try:
        with os.fdopen(handle, 'wb') as file, zipfile.ZipFile(file, 'w') as archive:
            yield MaskWriter(archive)
        Path(name).chmod(0o644)
        Path(name).rename(path)
    finally:
        Path(name).unlink(missing_ok=True)
