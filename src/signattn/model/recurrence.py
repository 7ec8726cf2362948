"""The LSTM over a window: what all steps share is done once for all of them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

State = tuple[Tensor, Tensor]
"""(h, c), each (B, hidden): the LSTM's state before the next frame."""


class _Deferred(torch.autograd.Function):
    """Zeros that stand for the weights in the steps of a window, to collect their gradient.

    Left to itself, each step would add a gradient as large as the weights: at paper size that is
    nine tenths of a training step. Here the steps use the weights without a gradient, and add
    their row of these zeros. Backwards the rows' gradients arrive together, and the weights'
    follows from them in one product.
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor, inputs: list[Tensor], shape: tuple[int, int]) -> Tensor:
        ctx.inputs = inputs  # filled later, while the steps are made
        return weight.new_zeros(*shape, len(weight))  # (B, T, O)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        seen = torch.stack(ctx.inputs, 1).flatten(0, 1)  # (B·T, I)
        ctx.inputs.clear()
        grad = grads[0].flatten(0, 1)
        return grad.t() @ seen.to(grad.dtype), None, None


class StepLinear:
    """A linear map without bias, applied once in every step of a window."""

    def __init__(self, weight: Tensor, shape: tuple[int, int]) -> None:
        """Prepare for a window.

        Args:
            weight: (O, I) float32.
            shape: (B, T), rows and steps of the window.
        """
        self._inputs: list[Tensor] = []
        self.rest: Tensor | float = 0.0
        """(B, T, O) of zeros, to be added to the steps' results: the way of the gradient."""
        self._learns = torch.is_grad_enabled() and weight.requires_grad
        if self._learns:
            self.rest = _Deferred.apply(weight, self._inputs, shape)  # type: ignore[no-untyped-call]
        weight = weight.detach()
        kind = weight.device.type
        if torch.is_autocast_enabled(kind):
            weight = weight.to(torch.get_autocast_dtype(kind))
        self._turned = weight.t()

    def __call__(self, added: Tensor, x: Tensor) -> Tensor:
        """One step.

        Args:
            added: (B, O), what is added.
            x: (B, I), the step's input.

        Returns:
            (B, O).
        """
        if self._learns:
            self._inputs.append(x.detach())
        return torch.addmm(added, x, self._turned)


def run_lstm(cell: nn.LSTMCell, inputs: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
    """Run an LSTM over a window whose inputs are all there.

    Args:
        cell: Its weights.
        inputs: (B, T, I) float32.
        state: (h, c) before the first step.

    Returns:
        (B, T + 1, hidden) float32, h before the first step and behind each.
        (B, T + 1, hidden) float32, c likewise.
        State behind the last step.
    """
    from_h = StepLinear(cell.weight_hh, (len(inputs), inputs.shape[1]))
    gates = functional.linear(inputs, cell.weight_ih, cell.bias_ih + cell.bias_hh) + from_h.rest
    hidden, memory = [state[0]], [state[1]]
    # Unbound once: the gradient of indexing in the loop would be as large as all steps.
    for step_gates in gates.unbind(1):
        state = lstm_step(from_h(step_gates, state[0]), state[1])
        hidden.append(state[0])
        memory.append(state[1])
    return torch.stack(hidden, 1), torch.stack(memory, 1), state


def run_lstm_stepwise(
    cell: nn.LSTMCell, make: Callable[[Tensor], Tensor], state: State, shape: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor, State]:
    """Run an LSTM over a window whose inputs depend on its state.

    Args:
        cell: Its weights.
        make: Gives a step's inputs, (B, I), from h before it; called once for each step.
        state: (h, c) before the first step.
        shape: (B, T).

    Returns:
        (B, T, I) float32, what ``make`` gave.
        As ``run_lstm``.
    """
    from_h, from_x = StepLinear(cell.weight_hh, shape), StepLinear(cell.weight_ih, shape)
    gates = (cell.bias_ih + cell.bias_hh).expand(*shape, -1) + from_h.rest + from_x.rest
    inputs, hidden, memory = list[Tensor](), [state[0]], [state[1]]
    for step_gates in gates.unbind(1):
        inputs.append(make(state[0]))
        state = lstm_step(from_h(from_x(step_gates, inputs[-1]), state[0]), state[1])
        hidden.append(state[0])
        memory.append(state[1])
    return torch.stack(inputs, 1), torch.stack(hidden, 1), torch.stack(memory, 1), state


def lstm_step(gates: Tensor, c: Tensor) -> State:
    """State behind a step.

    Args:
        gates: (B, 4·hidden) float32, what goes into them, in the order of ``nn.LSTMCell``.
        c: (B, hidden) float32, the memory before the step.

    Returns:
        (h, c), each (B, hidden).
    """
    write, keep, new, show = gates.chunk(4, 1)
    c = torch.sigmoid(keep) * c + torch.sigmoid(write) * torch.tanh(new)
    return torch.sigmoid(show) * torch.tanh(c), c
