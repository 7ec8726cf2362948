"""The network in torch, operation by operation."""

import contextlib
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from signattn.model import Network
from signattn.model.encoder import COLUMNS, ROWS
from signattn.preprocess import HEIGHT, WIDTH
from signattn.stream.backend import Step
from signattn.stream.packed import PackedEncoder, PackedLinear, PackedLstm
from signattn.stream.split import Answer, Prepared, SplitStep


class EagerBackend:
    """Runs on any device; on a CPU its heavy parts are oneDNN's."""

    def __init__(self, network: Network, device: torch.device) -> None:
        """Take a network.

        Args:
            network: The network; it's used, not copied, but for what oneDNN lays out anew.
            device: Where it runs.
        """
        self.name = f'torch on {device}'
        self._device = device
        self._split = SplitStep(network.to(device))
        if device.type == 'cpu' and torch.backends.mkldnn.is_available():
            _pack(self._split)
        # The frame is copied: its memory may be read-only, which torch doesn't take.
        self._shown = torch.zeros(1, HEIGHT, WIDTH, 3, dtype=torch.uint8)
        self._prepared: Prepared | None = None
        self._answer: Answer | None = None

    @torch.inference_mode()
    def answer(self, frame: NDArray[np.uint8]) -> Step:
        """As of ``Backend``."""
        self._shown.numpy()[0] = frame
        features = self._split.features(self._shown.to(self._device))
        prepared = self._split.begin(features) if self._prepared is None else self._prepared
        answer = self._answer = self._split.answer(features, prepared)
        attention = answer.attention.view(ROWS, COLUMNS).cpu().numpy()
        return Step(answer.curvature.item(), attention)

    @torch.inference_mode()
    def prepare(self) -> None:
        """As of ``Backend``."""
        if self._answer is not None:
            self._prepared, self._answer = self._split.prepare(self._answer), None

    def reset(self) -> None:
        """As of ``Backend``."""
        self._prepared = self._answer = None

    def products(self) -> NDArray[np.float32]:
        """x̂ of an answer, to be looked at before ``prepare``.

        Returns:
            (L, C) float32, in levels where the network has them.

        Raises:
            RuntimeError: If there is no answer.
        """
        if self._answer is None:
            raise RuntimeError('products must be asked for behind an answer, found none')
        products: NDArray[np.float32] = self._split.in_levels(self._answer.products).cpu().numpy()
        return products


def _pack(split: SplitStep) -> None:
    """Have oneDNN do the heavy parts."""
    network = split.network
    split.lstm = PackedLstm(network.lstm)
    split.gate = PackedLinear(network.gate.weight, network.gate.bias)
    # Where this torch doesn't have it, its own convolutions take half as long again.
    with contextlib.suppress(AttributeError, RuntimeError):
        split.encoder = PackedEncoder(cast('nn.Sequential', split.encoder))
