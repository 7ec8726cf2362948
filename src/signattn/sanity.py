"""What every map must pass: it goes with the network's weights, its places matter, it holds still.

Source: Adebayo et al., Sanity checks for saliency maps, 2018.
"""

import copy
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from signattn.explain.controls import permuted
from signattn.heatmap import BLUR_PX
from signattn.model import Network
from signattn.ranks import blurred, rank_correlation

Floats = NDArray[np.float64]
Maps = NDArray[np.floating]


class Randomised(NamedTuple):
    """What is left of the maps when the network is randomised from its top.

    Attributes:
        layers: K names, in the order in which they were randomised; each network has all layers
            up to this one random.
        correlation: (S, K, N) float64, rank correlation of each frame's map with that of the
            network as it was, for each seed.
    """

    layers: tuple[str, ...]
    correlation: Floats


class Permuted(NamedTuple):
    """Areas of maps, and of the same maps with their cells in another order.

    Attributes:
        own: (N,) float64, area of each frame.
        permuted: (S, N) float64, for each permutation.
    """

    own: Floats
    permuted: Floats

    @property
    def lost(self) -> Floats:
        """(S, N) float64, how much each frame's area falls."""
        return np.asarray(self.own - self.permuted)


def randomised(network: Network, seed: int) -> Iterator[tuple[str, Network]]:
    """The network with more and more layers as they are before any training, from the top.

    The top is what is nearest to the answer: the read-out, then what feeds it.

    Args:
        network: Not modified.
        seed: Of the new weights.

    Yields:
        Name of the layer that was randomised last, and the network, in evaluation mode; the next
        step changes it.
    """
    changed = copy.deepcopy(network).eval()
    fresh = dict(_layers(_untrained(network, seed)))
    for name, modules in _layers(changed):
        for own, new in zip(modules, fresh[name], strict=True):
            own.load_state_dict(new.state_dict())
        yield name, changed


def after_randomising(
    network: Network,
    maps_of: Callable[[Network], Maps],
    seeds: Sequence[int] = (0, 1, 2),
    *,
    blur_px: float = BLUR_PX,
) -> Randomised:
    """Compare a network's maps with those of its randomised copies.

    A map that explains the network must change: one that stays was drawn by the picture, or by
    layers further down.

    Args:
        network: In evaluation mode.
        maps_of: Gives a network's maps (N, 80, 160) of the same frames.
        seeds: Of the new weights.
        blur_px: Standard deviation of the maps' blur, px.

    Returns:
        Rank correlations.

    Raises:
        ValueError: If there is no seed.
    """
    if not seeds:
        raise ValueError('seeds must hold at least one, got none')
    before = maps_of(network)
    layers, found = list[str](), []
    for seed in seeds:
        layers, stages = [], []
        for name, changed in randomised(network, seed):
            layers.append(name)
            pairs = zip(before, maps_of(changed), strict=True)
            stages.append([_correlation(one, other, blur_px) for one, other in pairs])
        found.append(stages)
    return Randomised(tuple(layers), np.array(found))


def _correlation(one: Maps, other: Maps, blur_px: float) -> float:
    return rank_correlation(blurred(one, blur_px), blurred(other, blur_px))


def _untrained(network: Network, seed: int) -> Network:
    # A read-out that begins at zero would answer every picture alike.
    config = dataclasses.replace(network.config, readout_init='xavier')
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return Network(config).to(network.curvature_scale.device)


def _layers(network: Network) -> list[tuple[str, list[nn.Module]]]:
    """Names and modules, from the answer down to the picture."""
    known: list[tuple[str, list[nn.Module | None]]] = [
        ('last', [network.last]),
        ('output', [network.output]),
        ('gate', [network.gate]),
        ('lstm', [network.lstm]),
        ('initial', [network.initial_h, network.initial_c]),
        ('attention', [network.attention]),
    ]
    layers = [(name, [it for it in found if it is not None]) for name, found in known]
    convolutions: list[list[nn.Module]] = []
    for module in network.encoder.layers:
        if isinstance(module, nn.Conv2d):
            convolutions.append([])
        convolutions[-1].append(module)  # what normalises belongs to its convolution
    numbered = [(f'conv{index + 1}', it) for index, it in enumerate(convolutions)]
    return [(name, modules) for name, modules in layers + numbered[::-1] if modules]


def permuted_areas(
    saliency: Maps, area: Callable[[Maps], Floats], seeds: Sequence[int] = range(10)
) -> Permuted:
    """Does it matter where a map marks? Its area beside those of its permutations.

    Args:
        saliency: (N, 80, 160) float, at least 0.
        area: Gives the area (N,) of maps, such as the fidelity area of each frame.
        seeds: Of the permutations.

    Returns:
        Areas, frame by frame.
    """
    own = np.asarray(area(saliency), np.float64)
    others = [area(permuted(saliency, seed)) for seed in seeds]
    return Permuted(own, np.array(others, np.float64))


def likeness(
    pictures: Maps, parts: Sequence[slice], lag: int = 1, *, blur_px: float = BLUR_PX
) -> Floats:
    """How like each map, or picture, is to the one some frames before.

    Take it of the maps, of the brightness of the frames (their third channel), and of the maps
    with a long lag: a map that follows the picture holds still as the picture does, and differs
    from that of another place. One that holds still always says nothing of the frame.

    Args:
        pictures: (N, 80, 160) float.
        parts: The drive's ``stretches()``; nothing is compared across their borders.
        lag: Frames, at least 1.
        blur_px: Standard deviation of the blur, px, of maps and pictures alike.

    Returns:
        (N,) float64, rank correlation; NaN where there is no frame that much before.

    Raises:
        ValueError: If lag isn't at least 1.
    """
    if lag < 1:
        raise ValueError(f'lag must be at least 1, got {lag}')
    found = np.full(len(pictures), np.nan)
    for part in parts:
        for index in range(part.start + lag, part.stop):
            found[index] = _correlation(pictures[index - lag], pictures[index], blur_px)
    return found
