"""How far a map can be trusted: what happens when what it marks is taken away."""

from signattn.deletion.config import DeletionConfig
from signattn.deletion.curves import Curves, counted, curves
from signattn.deletion.greedy import greedy_maps
from signattn.deletion.passes import Clean, clean_pass, sources_of
from signattn.deletion.pictures import masked_order

__all__ = [
    'Clean',
    'Curves',
    'DeletionConfig',
    'clean_pass',
    'counted',
    'curves',
    'greedy_maps',
    'masked_order',
    'sources_of',
]
