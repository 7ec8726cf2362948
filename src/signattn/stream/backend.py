"""What runs a network on a stream of frames, one at a time."""

from typing import Literal, NamedTuple, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

BackendName = Literal['auto', 'torch', 'onnx']
BACKENDS: tuple[BackendName, ...] = get_args(BackendName)
Weights = Literal['fp32', 'int8']
WEIGHTS: tuple[Weights, ...] = get_args(Weights)


class Step(NamedTuple):
    """The answer to one picture.

    Attributes:
        curvature: 1/m, left positive.
        attention: (10, 20) float32, sums to 1.
    """

    curvature: float
    attention: NDArray[np.float32]


class Backend(Protocol):
    """A network, and the state of one stream.

    The answer to a frame needs nothing of the network but the encoder, the attention and one
    product; ``answer`` does that. ``prepare`` does the rest, which the answer to the next frame
    needs and which doesn't depend on that frame. Called in turn, they give the numbers of the
    network itself, to rounding. Neither is safe against another thread.

    Attributes:
        name: What runs, where and how, for the log.
    """

    name: str

    def answer(self, frame: NDArray[np.uint8]) -> Step:
        """Answer a frame; ``prepare`` must be called before the next one.

        Args:
            frame: (80, 160, 3) uint8, HSV.

        Returns:
            Curvature and attention, which stay as they are when later frames are answered.
        """
        ...

    def prepare(self) -> None:
        """Carry the state on behind an answer; does nothing where there is none to carry on."""
        ...

    def reset(self) -> None:
        """Forget the past, and what was to be prepared: the next frame is the first."""
        ...
