"""The network in torch, operation by operation."""

import numpy as np
import torch
from numpy.typing import NDArray

from signattn.model import Network
from signattn.model.encoder import COLUMNS, ROWS
from signattn.stream.backend import Step
from signattn.stream.split import Answer, Prepared, SplitStep


class EagerBackend:
    """Runs on any device."""

    def __init__(self, network: Network, device: torch.device) -> None:
        """Take a network.

        Args:
            network: The network; it's used, not copied.
            device: Where it runs.
        """
        self.name = f'torch on {device}'
        self._device = device
        self._split = SplitStep(network.to(device))
        self._prepared: Prepared | None = None
        self._answer: Answer | None = None

    @torch.inference_mode()
    def answer(self, frame: NDArray[np.uint8]) -> Step:
        """As of ``Backend``."""
        features = self._split.features(torch.from_numpy(frame)[None].to(self._device))
        prepared = self._split.begin(features) if self._prepared is None else self._prepared
        answer = self._answer = self._split.answer(features, prepared)
        return Step(answer.curvature.item(), answer.attention.view(ROWS, COLUMNS).cpu().numpy())

    @torch.inference_mode()
    def prepare(self) -> None:
        """As of ``Backend``."""
        if self._answer is not None:
            self._prepared, self._answer = self._split.prepare(self._answer), None

    def reset(self) -> None:
        """As of ``Backend``."""
        self._prepared = self._answer = None
