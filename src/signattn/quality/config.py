"""What is measured of a network's maps."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from signattn.deletion import DeletionConfig
from signattn.explain import EXPLAINERS

FEATURE = 'feature'
"""Filling of masked cells: the drive's mean feature."""


@dataclass(frozen=True)
class QualityConfig:
    """What is measured.

    Attributes:
        part: ``all`` frames, or only those that the split of the training kept ``apart``.
        explainers: Methods that explain every frame. The first one's maps are those that the
            controls are made of.
        costly: Methods that explain a sample only, in the regime ``frame``.
        greedy: Whether to search for the ceiling, on the sample: in ``frame``, by ``deletion``.
        sample: Frames of each drive in the sample.
        fillings: What shows in place of masked pixels; ``feature`` masks the encoder's cells
            instead, by the mean feature of the drive.
        regimes: ``frame``, ``stream``.
        modes: ``deletion``, ``insertion``.
        step: Every so many frames are measured in ``frame``; ``stream`` takes all.
        every_block: Every so many blocks of ``block_s`` are measured, with what is ahead of them:
            neighbouring frames say the same, so a long drive needs few of them.
        levels: Percent that ``deletion`` masks, rising.
        insertion_levels: Percent that ``insertion`` shows, rising.
        blur_px: Standard deviation of the blur of the maps.
        random_maps: How many random maps the control ``random`` is the mean of.
        masks: Folder of the masks that ``signattn synth`` wrote beside the recordings; how far the
            maps lie on what these call causal is measured where it is given.
        causal: What is causal: ``lines``, the whole ``road``, or all that ``moved`` with it.
        warmup_s: s ahead of each part that are shown to the network too; not measured.
        block_s: s; intervals are a bootstrap over blocks of this length.
        seed: Of whatever is drawn in measuring; the bootstrap has its own.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    """

    part: Literal['all', 'apart'] = 'all'
    explainers: tuple[str, ...] = ('attention', 'gradcam')
    costly: tuple[str, ...] = ()
    greedy: bool = False
    sample: int = 40
    fillings: tuple[str, ...] = ('blurred', 'mean', 'black')
    regimes: tuple[str, ...] = ('frame', 'stream')
    modes: tuple[str, ...] = ('deletion',)
    step: int = 1
    every_block: int = 1
    levels: tuple[float, ...] = tuple(range(26))
    insertion_levels: tuple[float, ...] = tuple(range(0, 101, 5))
    blur_px: float = 4.0
    random_maps: int = 10
    masks: Path | None = None
    causal: Literal['lines', 'road', 'moved'] = 'lines'
    warmup_s: float = 2.0
    block_s: float = 10.0
    seed: int = 0
    device: str = 'auto'

    def __post_init__(self) -> None:
        """Refuse what can't be measured."""
        for name in (*self.explainers, *self.costly):
            if name not in EXPLAINERS:
                raise ValueError(f'explainers must be of {", ".join(EXPLAINERS)}, got {name!r}')
        if not self.explainers:
            raise ValueError('explainers must name at least one, got none')
        for name in ('sample', 'step', 'every_block', 'random_maps'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name} must be at least 1, got {getattr(self, name)}')
        for name in ('fillings', 'regimes', 'modes'):
            if not getattr(self, name):
                raise ValueError(f'{name} must name at least one, got none')
        self._refuse_unmeasured()
        for _ in self.every(1):
            pass

    def _refuse_unmeasured(self) -> None:
        """Refuse what would be computed, and then have no line."""
        given = *self.regimes, *self.modes
        for name, needs in (('costly', ('frame',)), ('greedy', ('frame', 'deletion'))):
            if getattr(self, name) and not {*needs} <= {*given}:
                raise ValueError(
                    f'regimes and modes must hold {" and ".join(needs)} with {name}, which is '
                    f'measured so alone, got {", ".join(given)}'
                )

    def every(self, frames: int) -> Iterator[DeletionConfig]:
        """How maps are measured: each regime in each mode with each filling.

        Args:
            frames: How many are measured of a drive.

        Yields:
            One after the other.
        """
        for regime, mode, filling in itertools.product(self.regimes, self.modes, self.fillings):
            in_cells = filling == FEATURE
            yield DeletionConfig(
                levels=self.insertion_levels if mode == 'insertion' else self.levels,
                filling='mean' if in_cells else filling,  # type: ignore[arg-type]  # checked there
                space='cells' if in_cells else 'pixels',
                regime=regime,  # type: ignore[arg-type]
                mode=mode,  # type: ignore[arg-type]
                blur_px=self.blur_px,
                skip_s=self.warmup_s,
                seed=self.seed,
                # So that a few frames are work for several processes too.
                chunk=min(512, max(16, math.ceil(frames / 8))),
            )
