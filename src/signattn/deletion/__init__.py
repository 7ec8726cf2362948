"""How far a map can be trusted: what happens when what it marks is taken away."""

from signattn.deletion.config import DeletionConfig
from signattn.deletion.curves import Curves, curves, curves_of_all
from signattn.deletion.greedy import greedy_maps
from signattn.deletion.passes import Clean, clean_pass
from signattn.deletion.pictures import masked_order

__all__ = [
    'Clean',
    'Curves',
    'DeletionConfig',
    'clean_pass',
    'curves',
    'curves_of_all',
    'greedy_maps',
    'masked_order',
]
