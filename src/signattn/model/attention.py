"""Where to look: a score for each cell, and the softmax over the cells."""

from typing import Literal

import torch
from torch import Tensor, nn

from signattn.model.encoder import CELLS, CHANNELS

Score = Literal['projected', 'bounded', 'bounded_per_cell']


class Attention(nn.Module):
    """Attention over the cells from their features and the LSTM's last hidden state.

    Three readings of Eq. 11 (W_γ, W_δ as there):

    - ``projected``: tanh(W_γ x + W_δ h), 64 wide as in Fig. 3, then a linear map to one number.
    - ``bounded``: a scalar inside tanh as printed, so that no cell gets more than e² times
      another at temperature 1.
    - ``bounded_per_cell``: likewise, with one row of W_δ for each cell, so that the state can
      steer where the network looks.

    The printed b_γ is the same for all cells and drops out of the softmax; the bias stands inside
    tanh, where it acts.

    Source: Tashiro and Awano 2023, Eqs. 11, 12 and 15.
    """

    def __init__(self, hidden: int, score: Score, temperature: float) -> None:
        """Build the score's layers.

        Args:
            hidden: Size of the LSTM's hidden state.
            score: Which reading of Eq. 11.
            temperature: T of the softmax, above 0.
        """
        super().__init__()
        self.temperature = temperature
        width = CHANNELS if score == 'projected' else 1
        from_state = {'projected': CHANNELS, 'bounded': 1, 'bounded_per_cell': CELLS}[score]
        self.from_features = nn.Linear(CHANNELS, width)  # W_γ
        self.from_state = nn.Linear(hidden, from_state, bias=False)  # W_δ
        self.to_score = nn.Linear(CHANNELS, 1, bias=False) if score == 'projected' else None

    def project(self, features: Tensor) -> Tensor:
        """The features' part of the score, which needs no state.

        Args:
            features: (..., L, D) float32.

        Returns:
            (..., L, K) float32, K = 64 (``projected``) or 1.
        """
        projected: Tensor = self.from_features(features)
        return projected

    def forward(self, projected: Tensor, h: Tensor) -> Tensor:
        """Log of the attention, exact also where α underflows.

        Args:
            projected: (..., L, K) float32, as ``project`` gives it.
            h: (..., hidden) float32, the LSTM's hidden state before the step.

        Returns:
            (..., L) float32, log α; α sums to 1.
        """
        return self.attend(projected, self.from_state(h))

    def attend(self, projected: Tensor, recurrent: Tensor) -> Tensor:
        """Log of the attention, from the state's part of the score.

        Args:
            projected: (..., L, K) float32.
            recurrent: (..., K) float32, W_δ h; (..., L) of ``bounded_per_cell``.

        Returns:
            (..., L) float32.
        """
        # Of bfloat16, neighbouring values near log 1/200 would be 3 % of α apart.
        logits = self.score(projected, recurrent).float() / self.temperature
        return torch.log_softmax(logits, dim=-1)

    def score(self, projected: Tensor, recurrent: Tensor) -> Tensor:
        """Logits.

        Args:
            projected: (..., L, K) float32.
            recurrent: (..., K) float32, W_δ h; (..., L) of ``bounded_per_cell``.

        Returns:
            (..., L) float32.
        """
        if self.to_score is not None:
            scored: Tensor = self.to_score(torch.tanh(projected + recurrent[..., None, :]))
            return scored.squeeze(-1)
        return torch.tanh(projected.squeeze(-1) + recurrent)  # recurrent (..., 1) or (..., L)
