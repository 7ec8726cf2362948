"""The five convolutions that turn a picture into 200 cells of features."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

ROWS, COLUMNS = 10, 20
CELLS = ROWS * COLUMNS
CHANNELS = 64

# (channels in, channels out, kernel, stride); the kernel of conv2 is the configuration's.
_LAYERS = ((3, 24, 5, 2), (24, 36, 0, 2), (36, 48, 3, 2), (48, 64, 3, 1), (64, CHANNELS, 3, 1))


class Encoder(nn.Module):
    """Five convolutions, ReLU behind the first four; behind the fifth none: the sign must be free.

    Source: Tashiro and Awano 2023, Table 1; padding k//2 and stride 2 in conv3, without which the
    sizes of the table don't come out.
    """

    def __init__(self, conv2_kernel: int, norm: Literal['none', 'batch']) -> None:
        """Build the layers.

        Args:
            conv2_kernel: 3 (Table 1) or 5 (Fig. 3).
            norm: ``'batch'`` normalises behind each convolution.
        """
        super().__init__()
        layers: list[nn.Module] = []
        for index, (channels_in, channels_out, size, stride) in enumerate(_LAYERS):
            kernel = size or conv2_kernel
            # The normalisation has a bias of its own.
            bias = norm == 'none'
            layers.append(
                nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=bias)
            )
            if norm == 'batch':
                layers.append(nn.BatchNorm2d(channels_out))
            if index < len(_LAYERS) - 1:
                layers.append(nn.ReLU(inplace=True))
        # Channels last: on a CPU the convolutions take half the time.
        self.layers = nn.Sequential(*layers)
        for parameter in self.layers.parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

    def forward(self, frames: Tensor) -> Tensor:
        """Features of each cell.

        Args:
            frames: (N, 3, 80, 160) float32.

        Returns:
            (N, L, D) float32, L = 200 cells row by row, D = 64.
        """
        return features_of(self.layers, frames)


def features_of(layers: nn.Sequential, frames: Tensor) -> Tensor:
    """Features of each cell, by an encoder's layers or their folded ones.

    Args:
        layers: As ``Encoder.layers``.
        frames: (N, 3, 80, 160) float32.

    Returns:
        (N, L, D) float32.
    """
    frames = frames.contiguous(memory_format=torch.channels_last)
    features: Tensor = layers(frames)  # (N, D, 10, 20)
    return features.flatten(2).transpose(1, 2)


def fold_norm(layers: nn.Sequential) -> nn.Sequential:
    """The same function in fewer layers, for a network that isn't trained any more.

    Args:
        layers: In evaluation mode; they stay as they are.

    Returns:
        Normalisation folded into the convolutions ahead of it; other layers are shared.
    """
    folded: list[nn.Module] = []
    for layer in layers:
        convolution = folded[-1] if folded else None
        if isinstance(layer, nn.BatchNorm2d) and isinstance(convolution, nn.Conv2d):
            folded[-1] = fuse_conv_bn_eval(convolution, layer)
        else:
            folded.append(layer)
    return nn.Sequential(*folded)
