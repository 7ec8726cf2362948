"""Whether a map betrays that a network reads a planted false cue."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from signattn.augment.appearance import to_bgr, to_hsv
from signattn.drive import Drive
from signattn.evaluate import degrees_apart, drive_through, predict
from signattn.heatmap import BLUR_PX
from signattn.model import Network, State
from signattn.preprocess import Image, scale
from signattn.ranks import blurred, ranks
from signattn.truth.measures import Floats, Maps, energy_on

Kind = Literal['black', 'mean', 'around']
Regime = Literal['frame', 'stream']

_REACH_PX = 3.0  # how far the filling looks around a hole
_SPILL = np.ones((3, 3), np.uint8)  # a JPEG's colours spill over into the next pixel


class Betrayal(NamedTuple):
    """How much of a map lies on the cue.

    Attributes:
        energy: (N,) float64 in [0, 1], share of the map's sum that lies on the cue.
        area: (N,) float64 in [0, 1], the cue's share of the picture: the energy of an even map.
        rank: (N,) float64 in [0, 1], mean place of the cue's pixels in the order of the map; ½
            says nothing, 1 minus half the area is the highest.
    """

    energy: Floats
    area: Floats
    rank: Floats


def betrayal(saliency: Maps, cue: NDArray[np.floating], *, blur_px: float = BLUR_PX) -> Betrayal:
    """Look for the cue on maps.

    Args:
        saliency: (N, 80, 160) float, at least 0, not blurred.
        cue: (N, 80, 160) float in [0, 1], how much of a pixel shows it.
        blur_px: Standard deviation of the blur, px.

    Returns:
        Three numbers for each frame; energy and rank NaN where there is no cue.

    Raises:
        ValueError: If the shapes differ.
    """
    if saliency.shape != cue.shape:
        raise ValueError(f'saliency must be {cue.shape}, got {saliency.shape}')
    found = np.full((3, len(cue)), np.nan)
    for index, (one, truth) in enumerate(zip(saliency, cue, strict=True)):
        found[1, index] = truth.mean(dtype=np.float64)
        if truth.any():
            soft = blurred(one, blur_px)
            found[0, index] = energy_on(soft, truth)
            found[2, index] = np.average(ranks(soft), weights=truth)
    return Betrayal(*found)


def without(frames: Image, shown: NDArray[np.floating], kind: Kind) -> Image:
    """Frames in which something, and a pixel about it, was filled with nothing that comes from it.

    Args:
        frames: (N, 80, 160, 3) uint8, HSV; not modified.
        shown: (N, 80, 160) float, above 0 where it shows.
        kind: ``black``; ``mean``: of the rest of the RGB picture; ``around``: continued from the
            pixels about it. A plain blur would leave the light of a lamp in the picture.

    Returns:
        (N, 80, 160, 3) uint8, HSV.

    Raises:
        ValueError: If kind is unknown, or nothing of a frame is left.
    """
    if kind not in _FILL:
        raise ValueError(f'kind must be one of {", ".join(_FILL)}, got {kind!r}')
    filled = np.array(frames)
    for image, share in zip(filled, shown, strict=True):
        hole = cv2.dilate((share > 0).astype(np.uint8), _SPILL) > 0
        if hole.all():
            raise ValueError('shown must leave a part of each frame, got all of one')
        if hole.any():
            image[hole] = _FILL[kind](image, hole)[hole]
    return filled


def _black(image: Image, _: NDArray[np.bool_]) -> Image:
    return np.zeros_like(image)


def _mean(image: Image, hole: NDArray[np.bool_]) -> Image:
    mean = np.rint(to_bgr(image)[~hole].mean(0)).astype(np.uint8)
    return np.broadcast_to(to_hsv(mean.reshape(1, 1, 3)), image.shape)


def _around(image: Image, hole: NDArray[np.bool_]) -> Image:
    picture = cv2.inpaint(to_bgr(image), hole.astype(np.uint8), _REACH_PX, cv2.INPAINT_NS)
    return to_hsv(np.asarray(picture, np.uint8))


_FILL: dict[str, Callable[[Image, NDArray[np.bool_]], Image]] = {
    'black': _black,
    'mean': _mean,
    'around': _around,
}


def moved_deg(
    network: Network, drive: Drive, frames: Image, *, regime: Regime = 'frame', lead_s: float = 0.0
) -> Floats:
    """How far the answers move when a drive shows other frames.

    Args:
        network: In evaluation mode.
        drive: The drive as it is.
        frames: (N, 80, 160, 3) uint8, HSV: as ``without`` gives them, or those of the same drive
            rendered without the cue.
        regime: ``frame``: the state before each frame is that of the drive as it is. ``stream``:
            the other frames are all that is ever seen.
        lead_s: s, how much later the predicted curvature is driven.

    Returns:
        (N,) float64, degrees at the wheel, at least 0; NaN where the speed is unknown.

    Raises:
        ValueError: If frames have another shape than the drive's, or regime is unknown.
    """
    if frames.shape != drive.frames.shape:
        raise ValueError(f'frames must be {drive.frames.shape}, got {frames.shape}')
    if regime not in ('frame', 'stream'):
        raise ValueError(f"regime must be 'frame' or 'stream', got {regime!r}")
    if regime == 'stream':
        clean, other = predict(network, drive), _on_stream(network, drive, frames)
    else:
        clean, other = _frame_by_frame(network, drive, frames)
    return degrees_apart(other, clean, drive, lead_s)


def _on_stream(network: Network, drive: Drive, frames: Image) -> Floats:
    """Answers (N,) to other frames, the state carried on them."""
    answers = np.empty(len(drive))

    def answer(chunk: slice, state: State | None) -> State:
        output = network.answer(_features(network, frames[chunk]), state)
        answers[chunk] = output.curvature[0].cpu().numpy()
        return output.state

    drive_through(drive, answer)
    return answers


def _frame_by_frame(network: Network, drive: Drive, frames: Image) -> tuple[Floats, Floats]:
    """Answers (N,) to the drive, and to other frames in the state that the drive left."""
    clean, other = np.empty(len(drive)), np.empty(len(drive))

    def answer(chunk: slice, state: State | None) -> State:
        output = network.answer(_features(network, drive.frames[chunk]), state)
        h, c = output.before
        changed = network.answer_each(_features(network, frames[chunk])[0], (h[0], c[0]))
        clean[chunk] = output.curvature[0].cpu().numpy()
        other[chunk] = changed.cpu().numpy()
        return output.state

    drive_through(drive, answer)
    return clean, other


def _features(network: Network, frames: Image) -> Tensor:
    """(1, T, L, D)."""
    shown = torch.from_numpy(scale(frames)).to(network.curvature_scale.device)
    features: Tensor = network.encoder(shown)
    return features[None]
