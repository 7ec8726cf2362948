"""What things are called on the page, and what the paper says of them."""

from typing import NamedTuple

from signattn.quality import GREEDY, RANDOM

METHODS = {
    'attention': 'own attention',
    'gradcam': 'Grad-CAM',
    'lime_cells': 'LIME, 200 cells',
    'lime_superpixels': 'LIME, superpixels',
    'rise': 'RISE',
    'integrated_gradients': 'integrated gradients',
    'causal_filtering': 'causal filtering',
    GREEDY: 'greedy search, the ceiling',
    RANDOM: 'random maps',
    'centre': 'centre of the picture',
}
_CONTROLS = {
    'time_mean': 'its mean over time',
    'away': 'its map from 10 s away',
    'row_mean': 'its rows, evened out',
    'permuted': 'its cells, shuffled',
}
REGIMES = {
    'frame': 'each frame by itself',
    'stream': 'the whole stream masked',
}


class Paper(NamedTuple):
    """What the paper reports of a method.

    Attributes:
        auc_deg_percent: Area under the error, as labelled there.
        mae_deg: Error with a quarter of the pixels masked.
    """

    auc_deg_percent: float
    mae_deg: float


PAPER_MAE_DEG = {'sign-only attention': 4.67, 'ordinary attention': 4.94, 'no attention': 4.77}
ORDINARY = Paper(141.0, 7.43)
PAPER = {
    'attention': Paper(162.0, 8.35),
    'gradcam': Paper(140.0, 6.63),
    'lime_superpixels': Paper(154.0, 6.33),
}
"""Source: Tashiro and Awano 2023, section IV. Its map explains its own network, on HMB_3."""


def is_control(method: str) -> bool:
    """Whether a method knows nothing of the frame."""
    return method in {RANDOM, 'centre', *_CONTROLS} or method.endswith('_away')


def label(method: str, own: str) -> str:
    """What a method is called.

    Args:
        method: Its name in the tables.
        own: The method that the controls are made of.

    Returns:
        A few words.
    """
    if method in METHODS:
        return METHODS[method]
    if method in _CONTROLS:
        return f'{METHODS[own]}: {_CONTROLS[method]}'
    return f'{METHODS[method.removesuffix("_away")]}: {_CONTROLS["away"]}'


def setting(regime: str, mode: str, filling: str | None = None) -> str:
    """What a regime, a mode and a filling are called together."""
    parts = [mode, REGIMES[regime], *([f'{filling} filling'] if filling else [])]
    text = ', '.join(parts)
    return text[0].upper() + text[1:]
