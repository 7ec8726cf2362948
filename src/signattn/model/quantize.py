"""The step functions of the network, with the gradients that let them be trained."""

from typing import Any

import torch
from torch import Tensor


class _Round(torch.autograd.Function):
    """Rounds to multiples of a step above a; the gradient passes unchanged."""

    @staticmethod
    def forward(_ctx: Any, x: Tensor, a: float, step: Tensor) -> Tensor:
        return torch.round((x - a) / step) * step + a

    @staticmethod
    def backward(_ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return grads[0], None, None


def quantize(x: Tensor, a: float, b: Tensor, bits: int) -> Tensor:
    """Quantise to 2^bits evenly spaced levels on [a, b].

    Args:
        x: (...) float.
        a: Lowest level.
        b: () float, highest level, above a. If it requires a gradient it receives that of the
            clipped values (PACT).
        bits: n = 2^bits levels, (b − a)/(n − 1) apart; values half-way go to the even one.

    Returns:
        (...) float, each a level. The gradient to x is 1 inside [a, b] and 0 outside.

    Source: Tashiro and Awano 2023, Eqs. 7 (with b − a for the misprinted b − x) and 8.
    """
    # Not torch.minimum: it would halve the gradient at b.
    clipped = torch.where(x > b, b, x.clamp(min=a))
    step = (b.detach() - a) / (2**bits - 1)
    rounded: Tensor = _Round.apply(clipped, a, step)  # type: ignore[no-untyped-call]
    return rounded


def straight_sign(x: Tensor) -> Tensor:
    """Sign, with the gradient of x.

    Args:
        x: (...) float.

    Returns:
        (...) float, −1 or +1; +1 of 0.
    """
    one = torch.ones((), dtype=x.dtype, device=x.device)
    return torch.where(x >= 0, one, -one) + (x - x.detach())  # the second part is 0 exactly


class _AttendedSign(torch.autograd.Function):
    """sign(α x) with the gradient of α x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, attention: Tensor) -> Tensor:
        ctx.save_for_backward(x, attention)
        one = torch.ones((), dtype=x.dtype, device=x.device)
        return torch.where(x >= 0, one, -one)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        x, attention = ctx.saved_tensors
        return grads[0] * attention[..., None], (grads[0] * x).sum(-1)


def attended_sign(x: Tensor, attention: Tensor) -> Tensor:
    """Sign of the attended features, straight-through.

    Since α > 0 the value is sign(x) exactly, with sign(0) = +1; multiplying first would let an α
    that underflows flip signs. α acts in the backward pass alone: the gradient is that of α x.

    Args:
        x: (..., L, C) float.
        attention: (..., L) float, at least 0.

    Returns:
        (..., L, C) float, −1 or +1.

    Source: Tashiro and Awano 2023, Eq. 4.
    """
    signs: Tensor = _AttendedSign.apply(x, attention)  # type: ignore[no-untyped-call]
    return signs
