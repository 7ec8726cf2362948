"""Whether the attended cells carry the answer: the leak test."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from signattn.drive import Drive
from signattn.evaluate import (
    EvaluateConfig,
    Scored,
    check_preprocessing,
    degrees_apart,
    drive_through,
    lead_of,
    score,
)
from signattn.model import Checkpoint, Network, State
from signattn.model.encoder import CELLS, CHANNELS, COLUMNS, ROWS
from signattn.preprocess import scale
from signattn.stream import find_device

MOVES = 0.01
"""Least change of the answer by another map, as a share of the zero predictor's error."""
SILENT = 0.95
"""Least error without contents, as a share of the zero predictor's error."""
LEAST = 1e-30
"""Least α of a map whose logarithm is taken."""

Floats = NDArray[np.float64]
Maps = NDArray[np.float32]


@dataclass(frozen=True)
class LeakConfig:
    """How the leak test is done.

    Attributes:
        away_s: s; the other map that a frame is given is the one from that much later, at most
            from half a drive away.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    """

    away_s: float = 10.0
    device: str = 'auto'


def leak_test(
    checkpoint: Checkpoint, drives: list[Drive], config: LeakConfig | None = None
) -> dict[str, Any]:
    """Take the contents of the open cells away, and see whether the answer stays.

    Where α opens and closes cells, the pattern of openings alone could carry the answer. So the
    features of all cells are replaced by the mean feature of the open ones, with the network's own
    maps: the error must return to that of always answering 0. And another map must change the
    answer, or α is no cause of it.

    Args:
        checkpoint: The network.
        drives: With steering.
        config: How.

    Returns:
        ``mae_deg``, ``mae_deg_zero``, ``mae_deg_without_contents``, ``moved_deg_by_another_map``,
        and ``verdict``: ``inert``, ``leaks`` or ``causal``.

    Raises:
        DriveError: If a drive has no steering or another preprocessing.
    """
    config = config or LeakConfig()
    network = checkpoint.network.to(find_device(config.device)).eval()
    passes, total, weight = [], torch.zeros(CHANNELS, dtype=torch.float64), 0.0
    for drive in drives:
        drive.require_labels()
        check_preprocessing(checkpoint, drive)
        answers, maps, features, open_cells = _clean(network, drive)
        passes.append((drive, answers, maps))
        total, weight = total + features, weight + open_cells
    feature = (total / weight).float()
    metrics = _errors(network, passes, feature, config.away_s, lead_of(checkpoint))
    return metrics | {'verdict': _verdict(metrics)}


def _errors(
    network: Network,
    passes: list[tuple[Drive, Floats, Maps]],
    feature: Tensor,
    away_s: float,
    lead_s: float,
) -> dict[str, Any]:
    clean, silent, moved = [], [], []
    for drive, answers, maps in passes:
        part = np.isfinite(drive.ahead('curvature', lead_s))
        # Of a short drive the furthest; a whole turn would give each frame its own map again.
        away = min(round(away_s * drive.preprocessing.rate_hz), len(drive) // 2)
        other = _with_maps(network, drive, np.roll(maps, -away, axis=0))
        without = _with_maps(network, drive, maps, feature)
        clean.append(Scored(drive, part, answers, lead_s))
        silent.append(Scored(drive, part, without, lead_s))
        moved.append(degrees_apart(other, answers, drive, lead_s)[part])
    own = score(clean, EvaluateConfig())
    return {
        'frames': own['frames'],
        'mae_deg': own['mae_deg'],
        'mae_deg_zero': own['mae_deg_zero'],
        'mae_deg_without_contents': score(silent, EvaluateConfig())['mae_deg'],
        'moved_deg_by_another_map': float(np.concatenate(moved).mean()),
    }


def _verdict(metrics: dict[str, Any]) -> str:
    zero = metrics['mae_deg_zero']
    if metrics['moved_deg_by_another_map'] < MOVES * zero:
        return 'inert'
    return 'causal' if metrics['mae_deg_without_contents'] >= SILENT * zero else 'leaks'


def _clean(network: Network, drive: Drive) -> tuple[Floats, Maps, Tensor, float]:
    """Answers, maps, and the sum of the open cells' features with how many they are."""
    answers, maps = np.empty(len(drive)), np.empty((len(drive), ROWS, COLUMNS), np.float32)
    total, weight = torch.zeros(CHANNELS, dtype=torch.float64), 0.0

    def answer(chunk: slice, state: State | None) -> State:
        nonlocal total, weight
        features = _features(network, drive, chunk)
        output = network.answer(features, state)
        openness = network.gating.openness(output.log_attention[0].flatten(1))  # (T, L)
        total += torch.einsum('tl,tld->d', openness, features[0]).double().cpu()
        weight += float(openness.sum())
        answers[chunk] = output.curvature[0].cpu().numpy()
        maps[chunk] = output.attention[0].cpu().numpy()
        return output.state

    drive_through(drive, answer)
    return answers, maps, total, weight


def _with_maps(
    network: Network, drive: Drive, maps: Maps, feature: Tensor | None = None
) -> Floats:
    """Answers with maps from outside; with one feature in all cells, if it is given."""
    answers = np.empty(len(drive))

    def answer(chunk: slice, state: State | None) -> State:
        given = torch.from_numpy(maps[chunk])[None].to(network.curvature_scale.device)
        if feature is None:
            features = _features(network, drive, chunk)
        else:
            features = feature.to(given).expand(1, given.shape[1], CELLS, CHANNELS)
        output = network.answer(features, state, given.clamp(min=LEAST))
        answers[chunk] = output.curvature[0].cpu().numpy()
        return output.state

    drive_through(drive, answer)
    return answers


def _features(network: Network, drive: Drive, chunk: slice) -> Tensor:
    """(1, T, L, D)."""
    frames = torch.from_numpy(scale(drive.frames[chunk]))
    features: Tensor = network.encoder(frames.to(network.curvature_scale.device))
    return features[None]
