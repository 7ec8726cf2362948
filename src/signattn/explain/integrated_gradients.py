"""Integrated gradients."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from captum.attr import IntegratedGradients as Method
from torch import Tensor

from signattn.explain.clean import BATCH, Frozen, clean_pass
from signattn.explain.explainer import Explanation, as_saliency
from signattn.explain.filling import Filling, filled
from signattn.model import Network, State


@dataclass(frozen=True)
class IntegratedGradients:
    """Gradient to the picture, summed on the straight way from an empty one.

    The share of a pixel is that of its hue, saturation and value together. Behind sign and
    quantiser the gradient is the straight-through one, so the shares needn't sum to the change
    of the answer.

    Attributes:
        steps: On the way.
        filling: The empty picture.

    Source: Sundararajan et al., Axiomatic attribution for deep networks, ICML 2017.
    """

    steps: int = 32
    filling: Filling = 'mean'
    name: ClassVar[str] = 'integrated_gradients'

    def __call__(
        self, network: Network, frames: Tensor, state: State | None = None
    ) -> Explanation:
        """Explain frames; see ``Explainer``."""
        clean = clean_pass(network, frames, state)
        method = Method(Frozen(network))
        parts = []
        for pictures, h, c in clean.batches(max(1, BATCH // self.steps)):
            attribution = method.attribute(
                pictures,
                baselines=filled(pictures, self.filling),
                additional_forward_args=(h, c),
                n_steps=self.steps,
            )
            parts.append(attribution.detach().sum(1))  # (n, 80, 160)
        saliency = as_saliency(torch.cat(parts), frames)
        return Explanation(saliency, 1.0 + 3.0 * self.steps, clean.output.state)
