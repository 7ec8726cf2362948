"""Write the step models of a network, and a report of how far they are from it."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

import signattn
from signattn.drive import Drive
from signattn.evaluate import Scored, check_preprocessing, degrees_apart, errors_deg, lead_of
from signattn.model import Checkpoint, load
from signattn.parity import Floats, compare, noise_frames
from signattn.share import write_metrics, write_text, write_whole
from signattn.stream import WEIGHTS, Weights
from signattn.stream.graphs import StepModels, step_models
from signattn.stream.onnx import OnnxBackend

DESCRIPTION = 'export.yaml'
_NOISE_FRAMES = 64


@dataclass(frozen=True)
class ExportConfig:
    """What is written, and on what it is compared.

    Attributes:
        weights: ``fp32``, or ``int8`` for those of LSTM and gate, which are nearly all.
        frames: At most so many of the drive's first stretch are compared.
    """

    weights: Weights = 'fp32'
    frames: int = 1200

    def __post_init__(self) -> None:
        """Refuse what can't be written or compared."""
        if self.weights not in WEIGHTS:
            raise ValueError(f'weights must be one of {WEIGHTS}, got {self.weights!r}')
        if self.frames < 1:
            raise ValueError(f'frames must be at least 1, got {self.frames}')


def export(
    model: Path, out: Path, drive: Drive | None = None, config: ExportConfig | None = None
) -> dict[str, Any]:
    """Write ``begin``, ``answer`` and ``prepare`` .onnx, with what they are.

    Args:
        model: A checkpoint's folder.
        out: Folder for the models, ``export.yaml`` and ``metrics.json``.
        drive: Frames to compare on; a second or so of noise if not given.
        config: What is written.

    Returns:
        How far they are from the network: metrics with units in the keys.

    Raises:
        CheckpointError: If the model can't be used.
        DriveError: If the drive was made with another preprocessing.
        OSError: If it can't be written.
    """
    config = config or ExportConfig()
    checkpoint = load(model)
    if drive is not None:
        check_preprocessing(checkpoint, drive)
    models = step_models(checkpoint.network, config.weights)
    out.mkdir(parents=True, exist_ok=True)
    for name, data in zip(StepModels._fields, models, strict=True):
        write_whole(out / f'{name}.onnx', data)
    write_text(out / DESCRIPTION, _describe(checkpoint, config))
    metrics = distance(checkpoint, drive, config)
    write_metrics(out / 'metrics.json', metrics)
    return metrics


def _describe(checkpoint: Checkpoint, config: ExportConfig) -> str:
    description = {
        'name': checkpoint.name,
        'version': signattn.__version__,
        'sha256_of_weights': checkpoint.checksum,
        'weights': config.weights,
        'architecture': dataclasses.asdict(checkpoint.network.config),
        'preprocessing': dict(checkpoint.preprocessing),
        'vehicle': dataclasses.asdict(checkpoint.vehicle),
    }
    return yaml.safe_dump(description, sort_keys=False, allow_unicode=True)


def distance(checkpoint: Checkpoint, drive: Drive | None, config: ExportConfig) -> dict[str, Any]:
    """How far the step models are from the network.

    Args:
        checkpoint: The network.
        drive: Frames to compare on; noise if None.
        config: The models' weights, and how many frames.

    Returns:
        Metrics as ``parity.compare`` gives them. Of a drive also, at the wheel, how far apart
        they are, and ``mae_deg`` and ``mae_deg_plain``; None where speed or truth is unknown.
    """
    network = checkpoint.network
    backend = OnnxBackend(network, torch.device('cpu'), config.weights)
    if drive is None:
        return compare(network, backend, noise_frames(_NOISE_FRAMES))[0]
    count = min(config.frames, drive.stretches()[0].stop)
    metrics, exported, plain = compare(network, backend, drive.frames[:count])
    return metrics | _in_degrees(checkpoint, drive, exported, plain)


def _in_degrees(
    checkpoint: Checkpoint, drive: Drive, exported: Floats, plain: Floats
) -> dict[str, Any]:
    """At the wheel: how far apart, and the error of each where there is a truth."""
    lead_s, missing = lead_of(checkpoint), len(drive) - len(plain)
    whole = [np.pad(each, (0, missing), constant_values=np.nan) for each in (exported, plain)]
    every = np.ones(len(drive), bool)
    values = {
        'apart_deg': degrees_apart(whole[0], whole[1], drive, lead_s),
        'mae_deg': errors_deg(Scored(drive, every, whole[0], lead_s)),
        'mae_deg_plain': errors_deg(Scored(drive, every, whole[1], lead_s)),
    }
    known = {name: value[np.isfinite(value)] for name, value in values.items()}
    means = {name: float(each.mean()) if each.size else None for name, each in known.items()}
    apart = known['apart_deg']
    most = float(apart.max()) if apart.size else None
    return {
        'apart_deg_max': most,
        'apart_deg_mean': means['apart_deg'],
        'mae_deg': means['mae_deg'],
        'mae_deg_plain': means['mae_deg_plain'],
    }
