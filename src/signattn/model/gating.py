"""What α does to the features: the paper's way, the baselines, and the ways that act."""

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from signattn.model.encoder import CELLS
from signattn.model.quantize import attended_sign, straight_sign

Kind = Literal[
    'sign',
    'none_quant',
    'none_float',
    'soft',
    'soft32',
    'soft_topk',
    'topk',
    'stochastic',
    'gate',
    'ramp',
]
KINDS: tuple[Kind, ...] = get_args(Kind)
WITHOUT: tuple[Kind, ...] = ('none_quant', 'none_float')
"""No α at all."""
FLOAT: tuple[Kind, ...] = ('none_float', 'soft', 'soft32', 'soft_topk')
"""Features as they are, neither sign nor quantised amplitude."""
ACTING: tuple[Kind, ...] = ('soft_topk', 'topk', 'stochastic', 'gate', 'ramp')
"""α acts in the forward pass, so that an unattended cell can't speak."""
BUDGETED: tuple[Kind, ...] = ('soft_topk', 'topk')
"""Which open an exact number of cells."""

FIRST_BUDGET, FIRST_THRESHOLD, FIRST_GAIN = float(CELLS), 0.5, 1.1
SOFTEST, HARDEST = 1.0, 0.2
"""Temperature of the surrogate gradient, from the start of the schedule to its end."""


class Gating(nn.Module):
    """From sign half, amplitude and α to the products x̂ of a frame.

    With s the sign, Q the quantised amplitude, L = 200 cells, x a feature:

    ==============  ==========================================================
    ``sign``        s(αx) Q: the paper. α acts in the backward pass alone
    ``none_quant``  s(x) Q
    ``none_float``  x
    ``soft``        αL x, all 64 channels (Kim and Canny 2017)
    ``soft32``      αL x, 32 channels
    ``soft_topk``   αL x, 32 channels, for the ``budget`` cells of largest α, whose α is brought
                    to a sum of 1; else 0
    ``topk``        s(x) Q for the ``budget`` cells of largest α, else 0
    ``gate``        s(x) Q where αL ≥ ``threshold`` and for the best cell, else 0
    ``ramp``        s(x) Q min(1, αL / ``threshold``)
    ``stochastic``  ±Q with P(+) = σ(``gain`` αL x), x with RMS 1 in each frame;
                    its mean, tanh(``gain`` αL x / 2) Q, when not training
    ==============  ==========================================================

    The last five have a schedule: budget, threshold, gain and the temperature of the surrogate
    gradient move from lenient to their own values while ``progress`` goes from 0 to 1. Their α
    stays out of the sign's straight-through gradient.
    """

    def __init__(self, kind: Kind, budget: int, threshold: float, gain: float) -> None:
        """Choose what α does.

        Args:
            kind: One of ``KINDS``.
            budget: Open cells of ``topk`` and ``soft_topk``, 1 to 200.
            threshold: τ of ``gate`` and ``ramp`` on αL, above 0.
            gain: Of ``stochastic``, above 0.
        """
        super().__init__()
        self.kind = kind
        self.budget, self.threshold, self.gain = budget, threshold, gain
        self.progress = 1.0

    def anneal(self, progress: float) -> None:
        """Move along the schedule, for those that have one.

        Args:
            progress: 0 at the start, 1 when budget, threshold and gain have their own values.
        """
        self.progress = min(max(progress, 0.0), 1.0)

    def forward(self, signed: Tensor, amplitude: Tensor, log_attention: Tensor) -> Tensor:
        """Products of a frame.

        Args:
            signed: (B, L, C) float32, what the sign is taken of; the features of ``FLOAT``.
            amplitude: (B, L, C) float32, at least 0; not looked at by ``FLOAT``.
            log_attention: (B, L) float32, log α.

        Returns:
            (B, L, C) float32.
        """
        if self.kind == 'sign':
            return attended_sign(signed, log_attention.exp()) * amplitude
        if self.kind == 'none_quant':
            return straight_sign(signed) * amplitude
        if self.kind == 'none_float':
            return signed
        if self.kind in FLOAT:
            return signed * (self._shares(log_attention) * CELLS)[..., None]
        if self.kind == 'stochastic':
            return self._drawn(signed, log_attention) * amplitude
        return straight_sign(signed) * self.openness(log_attention)[..., None] * amplitude

    def _shares(self, log_attention: Tensor) -> Tensor:
        """α; where there is a budget shared out among the open cells."""
        attention = log_attention.exp()
        if self.kind not in BUDGETED:
            return attention
        opened = attention * self.openness(log_attention)
        return opened / opened.sum(-1, keepdim=True)

    def openness(self, log_attention: Tensor) -> Tensor:
        """How far each cell may speak.

        Args:
            log_attention: (..., L) float32, log α.

        Returns:
            (..., L) float32 in [0, 1]; 1 for all cells where α doesn't act. Of ``stochastic`` the
            mean sign of a feature of 1. The gradient is that of ``relaxed``.
        """
        if self.kind in BUDGETED:
            best = log_attention.topk(self._now_budget(), dim=-1).indices
            hard = torch.zeros_like(log_attention).scatter(-1, best, 1.0)
        elif self.kind == 'gate':
            hard = (log_attention >= self._log_threshold()).to(log_attention.dtype)
            best = log_attention.argmax(-1, keepdim=True)
            hard = hard.scatter(-1, best, 1.0)  # never all closed
        elif self.kind in ACTING:
            return self.relaxed(log_attention)
        else:
            return torch.ones_like(log_attention)
        soft = self.relaxed(log_attention)
        return hard + (soft - soft.detach())

    def relaxed(self, log_attention: Tensor) -> Tensor:
        """The smooth function whose gradient ``openness`` has.

        With a budget σ((s − s_k) / T_g), s being log α standardised over the cells and s_k the
        k-th largest, held constant; of ``gate`` σ((log αL − log τ) / T_g), in the log domain so
        that closed cells stay alive.

        Args:
            log_attention: (..., L) float32, log α.

        Returns:
            (..., L) float32 in [0, 1].
        """
        if self.kind in BUDGETED:
            score = standardised(log_attention)
            border = score.topk(self._now_budget(), dim=-1).values[..., -1:].detach()
            return torch.sigmoid((score - border) / self._surrogate_temperature())
        if self.kind == 'gate':
            above = log_attention - self._log_threshold()
            return torch.sigmoid(above / self._surrogate_temperature())
        if self.kind == 'ramp':
            return (log_attention - self._log_threshold()).exp().clamp(max=1.0)
        return torch.tanh(self._now_gain() * CELLS * log_attention.exp() / 2)

    def _drawn(self, signed: Tensor, log_attention: Tensor) -> Tensor:
        """Signs drawn in training, with the gradient of their mean; the mean otherwise."""
        # Or the encoder would buy certainty by size.
        size = signed.square().mean((-2, -1), keepdim=True).clamp(min=1e-12).sqrt()
        certain = (self._now_gain() * CELLS * log_attention.exp() / 2)[..., None]
        mean = torch.tanh(certain * signed / size)
        if not self.training:
            return mean
        drawn = torch.where(torch.rand_like(mean) < (1 + mean) / 2, 1.0, -1.0)
        return drawn + (mean - mean.detach())

    def _now_budget(self) -> int:
        return round(self._between(FIRST_BUDGET, float(self.budget)))

    def _log_threshold(self) -> float:
        """Log of the α at the threshold, for now."""
        low, high = math.log(FIRST_THRESHOLD), math.log(self.threshold)
        return self._between(low, high) - math.log(CELLS)

    def _now_gain(self) -> float:
        return math.exp(self._between(math.log(FIRST_GAIN), math.log(self.gain)))

    def _surrogate_temperature(self) -> float:
        return self._between(SOFTEST, HARDEST)

    def _between(self, first: float, last: float) -> float:
        return first + (last - first) * self.progress


def gate_figures(gating: Gating, log_attention: Tensor) -> dict[str, float]:
    """What tells whether gates work: all open, all alike or restless ones don't.

    Args:
        gating: Of a kind that acts.
        log_attention: (B, T, 10, 20) float32.

    Returns:
        ``open_share`` of the cells; ``logit_spread``, their standard deviation over the cells;
        ``flips_per_frame``, cells that open or close from one frame to the next, if T > 1.
    """
    logits = log_attention.detach().flatten(2)
    opened = gating.openness(logits)
    figures = {'open_share': opened.mean(), 'logit_spread': logits.std(-1).mean()}
    if logits.shape[1] > 1:
        figures['flips_per_frame'] = opened.diff(dim=1).abs().sum(-1).mean()
    return {name: float(value) for name, value in figures.items()}


def standardised(scores: Tensor) -> Tensor:
    """Scores with mean 0 and standard deviation 1 over the cells.

    Args:
        scores: (..., L) float.

    Returns:
        (..., L) float.
    """
    spread = scores.std(-1, keepdim=True, correction=0).clamp(min=1e-6)
    centred: Tensor = scores - scores.mean(-1, keepdim=True)
    return centred / spread
