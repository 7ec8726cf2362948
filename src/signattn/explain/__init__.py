"""Saliency maps of what a network answers, by every method, with one signature."""

from collections.abc import Callable
from functools import partial

from signattn.explain.attention import AttentionMap
from signattn.explain.causal_filtering import CausalFiltering
from signattn.explain.explainer import Explained, Explainer, Explanation, Saliency, explain
from signattn.explain.gradcam import GradCam
from signattn.explain.integrated_gradients import IntegratedGradients
from signattn.explain.lime import Lime
from signattn.explain.rise import Rise

__all__ = [
    'EXPLAINERS',
    'Explained',
    'Explainer',
    'Explanation',
    'Saliency',
    'explain',
    'new_explainer',
]

EXPLAINERS: dict[str, Callable[..., Explainer]] = {
    'attention': AttentionMap,
    'gradcam': GradCam,
    'lime_cells': partial(Lime, 'cells'),
    'lime_superpixels': partial(Lime, 'superpixels'),
    'rise': Rise,
    'integrated_gradients': IntegratedGradients,
    'causal_filtering': CausalFiltering,
}
_DRAWING = ('lime_cells', 'lime_superpixels', 'rise', 'causal_filtering')


def new_explainer(name: str, seed: int = 0) -> Explainer:
    """An explainer by its name, as it is by default.

    Args:
        name: Its key in ``EXPLAINERS``.
        seed: Of whatever it draws.

    Returns:
        The explainer.

    Raises:
        KeyError: If there is none of the name.
    """
    return EXPLAINERS[name](seed=seed) if name in _DRAWING else EXPLAINERS[name]()
