"""Variations of a training sequence that keep the geometry honest."""

from signattn.augment.config import AugmentConfig
from signattn.augment.fourier import fourier_exchange
from signattn.augment.masking import mask_frames
from signattn.augment.sequence import augment

__all__ = ['AugmentConfig', 'augment', 'fourier_exchange', 'mask_frames']
