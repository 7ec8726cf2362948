"""LIME: a linear model of which parts of a picture the answer depends on."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from captum.attr import LimeBase
from torch import Tensor

from signattn.explain.clean import BATCH, Frozen, clean_pass
from signattn.explain.explainer import Explanation, as_saliency
from signattn.explain.filling import Filling, filled
from signattn.explain.superpixels import cell_labels, superpixels
from signattn.model import Network, State
from signattn.preprocess import unscale

_KERNEL = 0.25  # width, on the cosine distance, as in the authors' code
_PENALTY = 1.0  # of the ridge regression, likewise


@dataclass(frozen=True)
class Lime:
    """Weights of a linear model, fitted to the answers with half of the parts taken away.

    Attributes:
        parts: The 200 cells, or superpixels.
        samples: Pictures with parts taken away.
        side_px: Distance of the superpixels, px.
        filling: What is put in place of parts.
        seed: Of the choice of parts, which is the same for each frame.

    Source: Ribeiro et al., "Why should I trust you?", KDD 2016.
    """

    parts: Literal['cells', 'superpixels'] = 'cells'
    samples: int = 1000
    side_px: int = 16
    filling: Filling = 'mean'
    seed: int = 0

    @property
    def name(self) -> str:
        """Its key in ``EXPLAINERS``."""
        return f'lime_{self.parts}'

    def __call__(
        self, network: Network, frames: Tensor, state: State | None = None
    ) -> Explanation:
        """Explain frames; see ``Explainer``."""
        clean = clean_pass(network, frames, state)
        frozen = Frozen(network)
        maps = []
        for picture, (h, c) in clean.rows():
            labels = self._labels(picture)
            weights = self._weights(partial(frozen, h=h, c=c), picture, labels)
            maps.append(weights[labels])
        saliency = as_saliency(torch.stack(maps), frames)
        return Explanation(saliency, 1.0 + self.samples, clean.output.state)

    def _labels(self, picture: Tensor) -> Tensor:
        """(80, 160) int64, the part that each pixel of a picture (1, 3, 80, 160) is in."""
        if self.parts == 'cells':
            labels = cell_labels()
        else:
            labels = superpixels(unscale(picture[0].cpu().numpy()), self.side_px)
        return torch.from_numpy(labels).to(picture.device)

    def _weights(self, answer: Callable[..., Tensor], picture: Tensor, labels: Tensor) -> Tensor:
        """Weight of each part, (K,)."""
        empty = filled(picture, self.filling)
        kept = self._kept(int(labels.max()) + 1).to(picture.device)
        rows = iter(kept.split(1))
        method = LimeBase(
            answer,
            interpretable_model=_Ridge(),
            similarity_func=_similarity,
            perturb_func=lambda *_: next(rows),
            perturb_interpretable_space=True,
            from_interp_rep_transform=lambda row, shown: torch.where(
                row[0, labels] > 0, shown, empty
            ),
            to_interp_rep_transform=None,
        )
        weights: Tensor = method.attribute(
            picture, n_samples=self.samples, perturbations_per_eval=BATCH
        )
        return weights

    def _kept(self, count: int) -> Tensor:
        """(samples, count) of 0 and 1, the first whole, each other part kept at evens."""
        drawn = np.random.default_rng(self.seed).integers(0, 2, (self.samples, count))
        drawn[0] = 1
        return torch.from_numpy(drawn.astype(np.float32))


def _similarity(_whole: Tensor, _shown: Tensor, kept: Tensor) -> Tensor:
    """How near to the whole picture, by the cosine between the parts kept and all parts."""
    distance = 1 - kept.mean().sqrt()
    return (-(distance**2) / _KERNEL**2).exp().sqrt()


class _Ridge:
    """Weighted ridge regression with a constant that isn't penalised."""

    def fit(self, batches: Iterable[tuple[Tensor, Tensor, Tensor]]) -> None:
        """Fit.

        Args:
            batches: One, of (S, K) inputs, (S,) outputs and (S,) weights.
        """
        ((inputs, outputs, weights),) = batches
        x, y = inputs.double(), outputs.double()
        share = weights.double() / weights.double().sum()
        x, y = x - share @ x, y - share @ y
        weighed = x.t() * weights
        penalty = _PENALTY * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        self._weights: Tensor = torch.linalg.solve(weighed @ x + penalty, weighed @ y)

    def representation(self) -> Tensor:
        """(K,) float64, the weights."""
        return self._weights
