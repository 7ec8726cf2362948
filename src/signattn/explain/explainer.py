"""What every explainer takes and gives, and a whole drive explained."""

import itertools
import time
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from signattn.drive import Drive
from signattn.explain.clean import clean_pass
from signattn.model import Network, State
from signattn.preprocess import HEIGHT, WIDTH, scale

_CHUNK = 64  # frames that are explained at once

Saliency = NDArray[np.float64]
"""(B, T, 80, 160), at least 0, larger is more salient; not blurred, of any scale in each frame.

float64, since attention at a low temperature spans more than float32 can hold.
"""


class Explanation(NamedTuple):
    """Why a network answered frames as it did.

    Attributes:
        saliency: (B, T, 80, 160) float64.
        forwards: Forward passes a frame that it took, on the average; a backward pass counts two.
        state: State behind the last frame, of the frames as they are.
    """

    saliency: Saliency
    forwards: float
    state: State


class Explainer(Protocol):
    """Explains each frame with the state that the frames before it, as they are, have left.

    What is drawn at random is drawn alike for each frame, from the seed of the explainer, so that
    an explanation doesn't depend on what is explained beside it.
    """

    @property
    def name(self) -> str:
        """Its key in ``EXPLAINERS``."""

    def __call__(
        self, network: Network, frames: Tensor, state: State | None = None
    ) -> Explanation:
        """Explain frames.

        Args:
            network: In evaluation mode.
            frames: (B, T, 3, 80, 160) float32, as ``scale`` gives it, on the network's device.
            state: Before the first frame; None to begin at it.

        Returns:
            A map for each frame, what it cost, and the state to carry on.

        Raises:
            ValueError: If the network is in training mode, or has not what is to be shown.
        """


class Explained(NamedTuple):
    """The explanations of a drive.

    Attributes:
        saliency: (K, 80, 160) float64, a map for each frame that was asked for.
        forwards: Forward passes a frame, on the average; a backward pass counts two.
        milliseconds: ms a frame, measured.
    """

    saliency: Saliency
    forwards: float
    milliseconds: float


def as_saliency(attribution: Tensor, frames: Tensor) -> Saliency:
    """Size of an attribution, of either sign, at each pixel.

    Args:
        attribution: (B·T, 10, 20) or (B·T, 80, 160) float; cells are repeated over their pixels.
        frames: (B, T, ...), the frames that it is of.

    Returns:
        (B, T, 80, 160) float64, at least 0.
    """
    size = attribution.detach().double().abs()
    times = HEIGHT // size.shape[1]
    pixels = size.repeat_interleave(times, 1).repeat_interleave(times, 2)
    return np.asarray(pixels.unflatten(0, frames.shape[:2]).cpu().numpy(), np.float64)


def explain(
    drive: Drive, network: Network, explainer: Explainer, frames: NDArray[np.int64] | None = None
) -> Explained:
    """Explain a drive, the state carried from its first frame, afresh behind a gap.

    Args:
        drive: The drive.
        network: In evaluation mode.
        explainer: The method.
        frames: (K,) indices of the frames to explain, rising; all if not given. The state is
            carried through all frames either way.

    Returns:
        The maps in the order of ``frames``, and what they cost; what carries the state from
        chunk to chunk doesn't count.

    Raises:
        ValueError: If ``frames`` don't rise or lie outside of the drive, and as the explainer.
    """
    chosen = np.arange(len(drive)) if frames is None else np.asarray(frames)
    if not len(chosen) or (np.diff(chosen, prepend=-1, append=len(drive)) <= 0).any():
        raise ValueError(f'frames must rise and lie in 0..{len(drive) - 1}, got {frames}')
    # One array from the start: at the end there would be two.
    saliency = np.empty((len(chosen), HEIGHT, WIDTH))
    forwards, seconds, row = 0.0, 0.0, 0
    for shown, before in _rows(drive, network, chosen):
        began = time.perf_counter()
        explanation = explainer(network, shown, before)
        seconds += time.perf_counter() - began
        forwards += explanation.forwards * len(shown)
        saliency[row : row + len(shown)] = explanation.saliency[:, 0]
        row += len(shown)
    return Explained(saliency, forwards / row, 1000 * seconds / row)


def _rows(
    drive: Drive, network: Network, chosen: NDArray[np.int64]
) -> Iterator[tuple[Tensor, State]]:
    """The chosen frames, (B, 1, 3, 80, 160), some at a time, and the states before them."""
    for stretch in drive.stretches():
        state: State | None = None
        edges = [*range(stretch.start, stretch.stop, _CHUNK), stretch.stop]
        for start, stop in itertools.pairwise(edges):
            frames = torch.from_numpy(scale(drive.frames[start:stop])[None])
            clean = clean_pass(network, frames.to(network.curvature_scale.device), state)
            state = clean.output.state
            inside = chosen[(chosen >= start) & (chosen < stop)] - start
            if len(inside):
                h, c = clean.before
                yield clean.pictures[inside][:, None], (h[inside], c[inside])
