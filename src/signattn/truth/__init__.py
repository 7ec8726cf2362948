"""Saliency maps against rendered drives, whose causal pixels are known."""

from signattn.truth.coverage import PARTS, coverage, masks_beside, require_masks, through_cells
from signattn.truth.cue import Betrayal, betrayal, moved_deg, without
from signattn.truth.measures import Measures, measure

__all__ = [
    'PARTS',
    'Betrayal',
    'Measures',
    'betrayal',
    'coverage',
    'masks_beside',
    'measure',
    'moved_deg',
    'require_masks',
    'through_cells',
    'without',
]
