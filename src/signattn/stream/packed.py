"""The heavy parts of a step on a CPU, by oneDNN, with weights laid out as it wants them."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from signattn.model import State
from signattn.model.recurrence import lstm_step
from signattn.preprocess import HEIGHT, WIDTH


class PackedLinear(nn.Module):
    """A linear map of one row.

    Torch itself hands one row to BLAS, which reads the weights with one thread; oneDNN does with
    all.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        """Copy the weights.

        Args:
            weight: (O, I) float32.
            bias: (O,) float32.
        """
        super().__init__()
        self._weight = weight.detach().to_mkldnn()
        self._bias = bias.detach().to_mkldnn()

    def forward(self, x: Tensor) -> Tensor:
        """As of ``nn.Linear``."""
        y = functional.linear(x.to_mkldnn(), self._weight, self._bias)
        return y.to_dense()


class PackedLstm(nn.Module):
    """A step of an LSTM: one product, of input and state together."""

    def __init__(self, cell: nn.LSTMCell) -> None:
        """Copy the weights.

        Args:
            cell: Has them.
        """
        super().__init__()
        weight = torch.cat([cell.weight_ih, cell.weight_hh], 1)
        self._gates = PackedLinear(weight, cell.bias_ih + cell.bias_hh)

    def forward(self, x: Tensor, state: State) -> State:
        """As of ``nn.LSTMCell``."""
        return lstm_step(self._gates(torch.cat([x, state[0]], 1)), state[1])


class PackedEncoder(nn.Module):
    """Convolutions that have their ReLU with them, for one picture."""

    def __init__(self, layers: nn.Sequential) -> None:
        """Arrange the weights, which torch itself does at each call.

        Args:
            layers: Convolutions, some with a ReLU behind.

        Raises:
            TypeError: If there is anything else.
            AttributeError: If this torch has no such operation: it's one that ``torch.compile``
                uses, and no part of the documented interface.
            RuntimeError: If it has, but not for this machine.
        """
        super().__init__()
        self._convolve = torch.ops.mkldnn._convolution_pointwise.default  # noqa: SLF001 (see above)
        self._layers: list[tuple[Any, ...]] = []
        shape = torch.Size([1, 3, HEIGHT, WIDTH])
        for index, layer in enumerate(layers):
            if isinstance(layer, nn.Conv2d):
                behind = layers[index + 1] if index + 1 < len(layers) else None
                self._layers.append(_arranged(layer, shape, isinstance(behind, nn.ReLU)))
                shape = layer(torch.zeros(shape)).shape
            elif not isinstance(layer, nn.ReLU):
                kind = type(layer).__name__
                raise TypeError(f'layers must be convolutions and ReLUs, got {kind}')
        self(torch.zeros(1, 3, HEIGHT, WIDTH))

    def forward(self, frames: Tensor) -> Tensor:
        """As of the layers."""
        for layer in self._layers:
            frames = self._convolve(frames, *layer)
        return frames


def _arranged(layer: nn.Conv2d, shape: torch.Size, relu: bool) -> tuple[Any, ...]:
    """Arguments of the operation, behind its input, whose shape is given."""
    how: Any = (layer.padding, layer.stride, layer.dilation, layer.groups)
    arrange: Any = torch._C._nn.mkldnn_reorder_conv2d_weight  # noqa: SLF001
    weight = arrange(layer.weight.detach().to_mkldnn(), *how, shape)
    return weight, layer.bias, *how, 'relu' if relu else 'none', [], ''
