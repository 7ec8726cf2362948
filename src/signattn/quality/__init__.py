"""How far a network's maps can be trusted: every explainer and control, measured alike."""

from signattn.quality.config import FEATURE, QualityConfig
from signattn.quality.measure import (
    AREAS,
    CEILING,
    GREEDY,
    GROUP,
    PLACE,
    RANDOM,
    TRUTHS,
    Quality,
    measure_quality,
    unmeasured,
)
from signattn.quality.summary import summary, truth_summary

__all__ = [
    'AREAS',
    'CEILING',
    'FEATURE',
    'GREEDY',
    'GROUP',
    'PLACE',
    'RANDOM',
    'TRUTHS',
    'Quality',
    'QualityConfig',
    'measure_quality',
    'summary',
    'truth_summary',
    'unmeasured',
]
