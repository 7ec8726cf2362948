"""The pass over the frames as they are, and the network as a function of one picture."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from signattn.model import Network, Output, State

BATCH = 64
"""Pictures that go through the network at once."""


class Clean(NamedTuple):
    """The frames as they are, as rows: N = B·T.

    Attributes:
        pictures: (N, 3, 80, 160) float32.
        before: (h, c), each (N, hidden), the state before each.
        output: What the network says about the frames.
    """

    pictures: Tensor
    before: State
    output: Output

    def rows(self) -> Iterator[tuple[Tensor, State]]:
        """Each picture, (1, 3, 80, 160), with the state before it, each (1, hidden)."""
        h, c = self.before
        for picture, *state in zip(self.pictures.split(1), h.split(1), c.split(1), strict=True):
            yield picture, (state[0], state[1])

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Pictures with h and c before them, so many at a time."""
        h, c = self.before
        yield from zip(self.pictures.split(size), h.split(size), c.split(size), strict=True)


def clean_pass(network: Network, frames: Tensor, state: State | None) -> Clean:
    """Answer frames as they are, and keep the state before each.

    Args:
        network: In evaluation mode.
        frames: (B, T, 3, 80, 160) float32.
        state: Before the first frame; None to begin at it.

    Returns:
        The frames as rows, with their states.

    Raises:
        ValueError: If the network is in training mode, where it draws at random.
    """
    if network.training:
        raise ValueError('network must be in evaluation mode, got training mode: call eval()')
    with torch.no_grad():
        output: Output = network(frames, state)
    h, c = output.before
    return Clean(frames.flatten(0, 1), (h.flatten(0, 1), c.flatten(0, 1)), output)


class Frozen(nn.Module):
    """The network as a function of single pictures, the state before them given."""

    def __init__(self, network: Network) -> None:
        """Wrap a network.

        Args:
            network: In evaluation mode.
        """
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor, h: Tensor, c: Tensor) -> Tensor:
        """Curvature.

        Args:
            pictures: (N, 3, 80, 160) float32.
            h: (N, hidden) or (1, hidden), before the pictures.
            c: Likewise.

        Returns:
            (N,) float32, 1/m.
        """
        return self.network.answer_each(self.network.encoder(pictures), (h, c))
