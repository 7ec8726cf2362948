"""Grad-CAM on the last convolution."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from captum.attr import LayerGradCam
from torch import Tensor

from signattn.explain.clean import BATCH, Frozen, clean_pass
from signattn.explain.explainer import Explanation, as_saliency
from signattn.model import Network, State


@dataclass(frozen=True)
class GradCam:
    """Features of each cell, weighed by the mean gradient of their channel.

    The absolute value instead of the original's ReLU, which would see left bends alone. The
    gradient behind sign and quantiser is the straight-through one; that of ``sign`` isn't weighed
    by α, which has no part in the answer, or Grad-CAM would show the attention again.

    Source: Selvaraju et al., Grad-CAM, ICCV 2017.
    """

    name: ClassVar[str] = 'gradcam'

    def __call__(
        self, network: Network, frames: Tensor, state: State | None = None
    ) -> Explanation:
        """Explain frames; see ``Explainer``."""
        clean = clean_pass(network, frames, state)
        method = LayerGradCam(Frozen(network), network.encoder.layers)
        parts = []
        for pictures, h, c in clean.batches(BATCH):
            # For the gradient of networks whose weights are frozen.
            shown = pictures.detach().requires_grad_()
            parts.append(method.attribute(shown, additional_forward_args=(h, c)).detach())
        cells = torch.cat(parts)[:, 0]  # (N, 10, 20)
        return Explanation(as_saliency(cells, frames), 4.0, clean.output.state)
