"""How far what a vehicle runs is from the network as it is trained and measured."""

import copy
import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from signattn.model import Network, State
from signattn.model.gating import FLOAT
from signattn.preprocess import HEIGHT, WIDTH, scale
from signattn.stream.cuda import CudaBackend
from signattn.stream.eager import EagerBackend
from signattn.stream.integers import to_int8
from signattn.stream.onnx import OnnxBackend

Floats = NDArray[np.float64]


def compare(
    network: Network,
    backend: EagerBackend | CudaBackend | OnnxBackend,
    frames: NDArray[np.uint8],
) -> tuple[dict[str, Any], Floats, Floats]:
    """Stream frames through a back end and through the plain network, side by side.

    Args:
        network: In evaluation mode, on the CPU.
        backend: Runs the same network; its past is forgotten.
        frames: (N, 80, 160, 3) uint8, HSV, of one stream.

    Returns:
        Metrics with units in the keys. ``signs_flipped`` counts the signs of products that differ,
        ``flipped_feature_max`` says how far from 0 the farthest of their features was; both are
        None where products aren't signs times levels.
        (N,) float64, the back end's curvature, 1/m.
        (N,) float64, the network's.
    """
    backend.reset()
    state: State | None = None
    curvatures = np.empty((2, len(frames)))
    attention_apart, flipped = 0.0, list[NDArray[np.float32]]()
    for place, frame in enumerate(frames):
        step = backend.answer(frame)
        features, want, attention, state = _plain(network, frame, state)
        curvatures[:, place] = step.curvature, want
        attention_apart = max(attention_apart, float(np.abs(step.attention - attention).max()))
        flipped.append(_flipped(backend.products(), features))
        backend.prepare()
    apart = np.abs(curvatures[0] - curvatures[1])
    metrics: dict[str, Any] = {
        'frames': len(frames),
        'curvature_apart_per_m_max': float(apart.max()),
        'curvature_apart_per_m_mean': float(apart.mean()),
        'attention_apart_max': attention_apart,
        'signs_flipped': None,
        'flipped_feature_max': None,
    }
    if network.config.attention not in FLOAT:
        sizes = np.concatenate(flipped)
        metrics['signs_flipped'] = len(sizes)
        metrics['flipped_feature_max'] = float(sizes.max(initial=0.0))
    return metrics, curvatures[0], curvatures[1]


def rounded(network: Network) -> Network:
    """The network that ``weights: int8`` runs, for what is measured in torch.

    Args:
        network: The network; it stays as it is.

    Returns:
        A copy whose weights of LSTM, gate and W_δ are multiples of their rows' scales. What the
        back end does besides, to round the state and some products to 14 bits, is left out.
    """
    found = copy.deepcopy(network)
    weights = [found.lstm.weight_ih, found.lstm.weight_hh]
    weights += [] if found.last is not None else [found.gate.weight]
    weights += [] if found.attention is None else [found.attention.from_state.weight]
    with torch.no_grad():
        for weight in weights:
            whole, scales = to_int8(weight.numpy())
            weight.copy_(torch.from_numpy(whole * scales[:, None]))
    return found


@torch.inference_mode()
def _plain(
    network: Network, frame: NDArray[np.uint8], state: State | None
) -> tuple[NDArray[np.float32], float, NDArray[np.float32], State]:
    """Features (L, D), curvature, attention (10, 20) and state of the plain network."""
    features = network.encoder(torch.from_numpy(scale(frame[None])))
    output = network.answer(features[None], state)
    attention = output.attention[0, 0].numpy()
    return features[0].numpy(), float(output.curvature), attention, output.state


def _flipped(products: NDArray[np.float32], features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sizes of the features whose sign is another in the products; a product of 0 has none."""
    signed = features[:, : products.shape[1]]
    wrong = (products != 0) & ((products < 0) != (signed < 0))
    return np.asarray(np.abs(signed[wrong]))


def noise_frames(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth noise that drifts, for want of a drive.

    Args:
        count: How many.
        seed: Of the noise.

    Returns:
        (N, 80, 160, 3) uint8, as if HSV.
    """
    rng = np.random.default_rng(seed)
    ends = rng.integers(0, 180, (2, 10, 20, 3)).repeat(8, 1).repeat(8, 2).astype(np.float64)
    share = np.linspace(0, math.pi, count)[:, None, None, None]
    drift = ends[0] + (ends[1] - ends[0]) * (1 - np.cos(share)) / 2
    fine = rng.integers(-10, 10, (count, HEIGHT, WIDTH, 3))
    return np.asarray(np.clip(drift + fine, 0, 179), np.uint8)
