"""How deletion is done."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from signattn.model.encoder import CELLS
from signattn.preprocess import HEIGHT, WIDTH

PIXELS = HEIGHT * WIDTH
_CHOICES = {
    'filling': ('black', 'mean', 'blurred', 'donor'),
    'regime': ('frame', 'stream'),
    'mode': ('deletion', 'insertion'),
    'space': ('pixels', 'cells'),
}


@dataclass(frozen=True)
class DeletionConfig:
    """How a map is measured.

    Attributes:
        levels: Percent of the picture that is masked (of an insertion: shown), the most salient
            first; rising.
        filling: What shows in place of what is masked, made of the RGB picture: ``black``, its
            ``mean``, or itself ``blurred``; or a ``donor``, the drive's picture of 10 s before (of
            a drive below 30 s, a third of it): no hole, but another road.
        filling_blur_px: Standard deviation of the blur of ``blurred``, px.
        blur_px: Standard deviation of the blur of the map, px; 0 for none.
        regime: ``frame``: the state before each frame is that of the clean pass. ``stream``: the
            state is made and carried on masked frames, each masked by its own map.
        mode: ``deletion`` begins with the whole picture, ``insertion`` with the filling.
        space: ``pixels``, or ``cells`` of the encoder's features, replaced by the drive's mean
            feature, without a filling and a blur: a cell sees 49×49 pixels, so what is masked in
            the picture may still speak through its neighbours.
        skip_s: s behind each beginning that ``stream`` leaves out.
        seed: Of the noise that breaks ties.
        chunk: Frames that one process takes at once in ``frame``; without effect on the result.
    """

    levels: tuple[float, ...] = tuple(range(26))
    filling: Literal['black', 'mean', 'blurred', 'donor'] = 'blurred'
    filling_blur_px: float = 8.0
    blur_px: float = 4.0
    regime: Literal['frame', 'stream'] = 'frame'
    mode: Literal['deletion', 'insertion'] = 'deletion'
    space: Literal['pixels', 'cells'] = 'pixels'
    skip_s: float = 2.0
    seed: int = 0
    chunk: int = 512

    def __post_init__(self) -> None:
        """Refuse what can't be measured."""
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(f'{name} must be one of {known}, got {getattr(self, name)!r}')
        rising = all(low < high for low, high in zip(self.levels, self.levels[1:], strict=False))
        inside = all(0 <= level <= 100 for level in self.levels)
        if len(self.levels) < 2 or not rising or not inside:
            raise ValueError(f'levels must be two or more rising in 0..100, got {self.levels}')
        for name in ('blur_px', 'skip_s', 'seed'):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f'{name} must be at least 0, got {value!r}')
        for name in ('filling_blur_px', 'chunk'):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f'{name} must be above 0, got {value!r}')

    @property
    def clean_level(self) -> float:
        """Percent at which the picture is whole."""
        return 0.0 if self.mode == 'deletion' else 100.0

    def rows(self) -> tuple[float, ...]:
        """The levels, and that of the whole picture among them, rising."""
        return tuple(sorted({*map(float, self.levels), self.clean_level}))

    def counts(self) -> NDArray[np.int64]:
        """Pixels, or cells, that are changed at each of ``rows``."""
        size = PIXELS if self.space == 'pixels' else CELLS
        return np.rint(np.array(self.rows()) / 100 * size).astype(np.int64)
