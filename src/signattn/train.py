"""Training: one loop over windows, the state carried from one to the next."""

import dataclasses
import math
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor

import signattn
from signattn.augment import AugmentConfig, augment
from signattn.drive import Drive, DriveError, Split, windows
from signattn.evaluate import EvaluateConfig, Scored, predict, score, write_metrics, write_text
from signattn.model import Checkpoint, Network, NetworkConfig, State, save
from signattn.preprocess import scale
from signattn.stream import find_device

_STILL = 1e-7  # 1/m; the curvature of a steering wheel held still spreads less


@dataclass(frozen=True)
class TrainConfig:
    """A recipe.

    Attributes:
        name: Name of the model.
        network: Which network.
        split: Which part of each drive is kept apart. ``end`` is used to validate and to choose
            the best epoch; ``blocks`` is a test that nothing may look at, so the last epoch's
            network is kept.
        augment: How sequences are varied.
        epochs: Passes over the data.
        batch: Sequences side by side.
        window: Frames through which the gradient flows back.
        sequence: Frames over which the state is carried; a multiple of ``window``.
        learning_rate: Of Adam, at the start.
        wide_factor: Factor on the learning rate of the weights that sum over all products (into
            the LSTM and the output). Adam moves every weight alike, so their sums of thousands
            move thousands of times as far as a weight: below 1 the rest can learn faster.
        schedule: ``constant``, or ``cosine`` down to 0.
        loss: On the scaled curvature.
        clip_norm: Largest norm of the gradient; 0 for no limit.
        seed: Of weights, order, dropout and augmentation; makes a CPU run repeatable.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    """

    name: str = 'model'
    network: NetworkConfig = field(default_factory=NetworkConfig)
    split: Split = field(default_factory=Split)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    epochs: int = 10
    batch: int = 16
    window: int = 20
    sequence: int = 100
    learning_rate: float = 1e-4
    wide_factor: float = 1.0
    schedule: Literal['constant', 'cosine'] = 'constant'
    loss: Literal['l1', 'huber'] = 'l1'
    clip_norm: float = 0.0
    seed: int = 0
    device: str = 'auto'

    def __post_init__(self) -> None:
        """Refuse what can't be trained."""
        for name in ('epochs', 'batch', 'window', 'sequence'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name} must be at least 1, got {getattr(self, name)}')
        if self.sequence % self.window:
            raise ValueError(
                f'sequence must be a multiple of window {self.window}, got {self.sequence}'
            )
        for name in ('learning_rate', 'wide_factor'):
            if not getattr(self, name) > 0:
                raise ValueError(f'{name} must be above 0, got {getattr(self, name)}')
        if self.clip_norm < 0:
            raise ValueError(f'clip_norm must be at least 0, got {self.clip_norm}')


class Batch(NamedTuple):
    """Sequences side by side.

    Attributes:
        frames: (B, S, 80, 160, 3) uint8, HSV.
        curvature: (B, S) float32, 1/m, smoothed; NaN where unknown.
    """

    frames: NDArray[np.uint8]
    curvature: NDArray[np.float32]


class Sequences:
    """Random sequences from the training parts of drives."""

    def __init__(self, drives: list[Drive], config: TrainConfig) -> None:
        """Find where sequences may start.

        Args:
            drives: With steering.
            config: Length of a sequence, split and augmentation.

        Raises:
            DriveError: If no drive has a stretch that is long enough.
        """
        self._config = config
        self._drives = drives
        self._labels = [drive.column('curvature_smooth') for drive in drives]
        self._starts: dict[int, list[tuple[int, int]]] = {}
        self.parts = [config.split.parts(drive)[0] for drive in drives]
        for skip in range(1, config.augment.max_skip + 1):
            length = (config.sequence - 1) * skip + 1
            self._starts[skip] = [
                (index, int(start))
                for index, (drive, part) in enumerate(zip(drives, self.parts, strict=True))
                for start in windows(drive, length, part)
            ]
        if not self._starts[1]:
            raise DriveError(
                f'{drives[0].path}: the training part must have {config.sequence} frames without '
                'a gap, got no such stretch: shorten sequence'
            )
        frames = sum(int(part.sum()) for part in self.parts)
        self.batches = max(1, round(frames / config.sequence / config.batch))

    def scale(self) -> float:
        """Standard deviation of the curvature that is to be learned, 1/m."""
        pairs = zip(self._labels, self.parts, strict=True)
        labels = np.concatenate([label[part] for label, part in pairs])
        known = labels[np.isfinite(labels)]
        where = self._drives[0].path
        if not known.size:
            raise DriveError(f'{where}: the training part must hold a label, got none')
        spread = float(known.std())
        if spread < _STILL:
            raise DriveError(f'{where}: steering must vary to be learned, got a constant')
        return spread

    def epoch(self, rng: np.random.Generator) -> Iterator[Batch]:
        """One pass: as many frames as the training parts have.

        Args:
            rng: Where the draws come from.

        Yields:
            Batches.
        """
        for _ in range(self.batches):
            drawn = [self._draw(rng) for _ in range(self._config.batch)]
            frames, curvature = zip(*drawn, strict=True)
            yield Batch(np.stack(frames), np.stack(curvature).astype(np.float32))

    def _draw(self, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        skips = [skip for skip, starts in self._starts.items() if starts]
        skip = skips[rng.integers(len(skips))]
        starts = self._starts[skip]
        index, start = starts[rng.integers(len(starts))]
        chosen = slice(start, start + (self._config.sequence - 1) * skip + 1, skip)
        frames, labels = self._drives[index].frames[chosen], self._labels[index][chosen]
        stretch = self._drives[index].preprocessing.stretch
        return augment(frames, labels, self._config.augment, rng, stretch)


@dataclass(frozen=True)
class Progress:
    """How far a training is.

    Attributes:
        epoch: From 1.
        step: Optimiser steps so far, and ``steps`` in all.
        steps: Optimiser steps in all.
        loss: Mean over the epoch so far, in standard deviations of the curvature.
        frames_per_s: Since the start of the epoch.
        mae_deg: Of the part kept apart, at the end of an epoch; else None.
    """

    epoch: int
    step: int
    steps: int
    loss: float
    frames_per_s: float
    mae_deg: float | None = None


def train(
    drives: list[Drive],
    out: Path,
    config: TrainConfig,
    report: Callable[[Progress], None] = lambda _: None,
) -> dict[str, Any]:
    """Train a network.

    Args:
        drives: With steering, all of one vehicle and one preprocessing.
        out: Folder of the run: ``model`` (the checkpoint), ``metrics.json``, ``log.csv``,
            ``run.yaml``.
        config: The recipe.
        report: Called after each step.

    Returns:
        What metrics.json says.

    Raises:
        DriveError: If a drive can't be trained on, or the drives don't go together.
        FloatingPointError: If the loss is no longer a number.
    """
    _check_together(drives)
    device = find_device(config.device)
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    sequences = Sequences(drives, config)
    network = Network(config.network).to(device)
    network.curvature_scale.fill_(sequences.scale())
    optimizer = _optimizer(network, config)
    steps = config.epochs * sequences.batches * (config.sequence // config.window)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _factor(config, steps))
    _forget_older_run(out)
    write_text(out / 'run.yaml', yaml.safe_dump(describe_run(drives, config), sort_keys=False))

    log: list[dict[str, Any]] = []
    best = math.inf
    step = 0
    for epoch in range(1, config.epochs + 1):
        network.train()
        started, losses = time.monotonic(), []
        for batch in sequences.epoch(rng):
            state: State | None = None
            for start in range(0, config.sequence, config.window):
                frames, target = _to_device(batch, start, config.window, device)
                step_loss, state = _step(network, optimizer, frames, target, state, config)
                schedule.step()
                losses.append(step_loss)
                step += 1
                rate = len(losses) * config.batch * config.window / (time.monotonic() - started)
                report(Progress(epoch, step, steps, float(np.mean(losses)), rate))
        validation = _validate(network.eval(), drives, config)
        mae_deg, loss = validation.get('mae_deg'), float(np.mean(losses))
        report(Progress(epoch, step, steps, loss, rate, mae_deg))
        log.append({'epoch': epoch, 'loss': loss, 'frames_per_s': rate, 'mae_deg': mae_deg})
        _write_log(out / 'log.csv', log)
        if mae_deg is None or mae_deg < best:
            best = math.inf if mae_deg is None else mae_deg
            metrics = {'epoch': epoch, 'loss': loss, **validation}
            checkpoint = _checkpoint(network, drives, config, metrics)
            save(checkpoint, out / 'model')
    write_metrics(out / 'metrics.json', metrics)
    return metrics


def _forget_older_run(out: Path) -> None:
    """Remove what would pass for this run's; metrics.json, written last, marks a whole one."""
    for file in ('metrics.json', 'log.csv', 'run.yaml', 'model/model.yaml'):
        (out / file).unlink(missing_ok=True)


def _check_together(drives: list[Drive]) -> None:
    first = drives[0]
    for drive in drives:
        drive.require_labels()
        for name in ('vehicle', 'preprocessing'):
            ours, theirs = getattr(first, name), getattr(drive, name)
            if name == 'preprocessing':
                ours = dataclasses.replace(ours, aspect_ratio=None)
                theirs = dataclasses.replace(theirs, aspect_ratio=None)
            if ours != theirs:
                raise DriveError(
                    f'{drive.path}: {name} must be that of {first.path}, {ours}, got {theirs}'
                )


def _optimizer(network: Network, config: TrainConfig) -> torch.optim.Optimizer:
    wide = [network.lstm.weight_ih, network.output.weight]
    rest = [
        parameter
        for parameter in network.parameters()
        if parameter.requires_grad and all(parameter is not other for other in wide)
    ]
    rate = config.learning_rate
    groups: list[dict[str, Any]] = [
        {'params': rest},
        {'params': wide, 'lr': rate * config.wide_factor},
    ]
    return torch.optim.Adam(groups, rate)


def _factor(config: TrainConfig, steps: int) -> Callable[[int], float]:
    if config.schedule == 'constant':
        return lambda _: 1.0
    return lambda step: 0.5 * (1 + math.cos(math.pi * min(step / steps, 1)))


def _to_device(
    batch: Batch, start: int, window: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    part = slice(start, start + window)
    frames = torch.from_numpy(scale(batch.frames[:, part])).to(device)
    return frames, torch.from_numpy(batch.curvature[:, part]).to(device)


def _step(
    network: Network,
    optimizer: torch.optim.Optimizer,
    frames: Tensor,
    target: Tensor,
    state: State | None,
    config: TrainConfig,
) -> tuple[float, State]:
    output = network(frames, state)
    loss = masked_loss(output.curvature, target, network.curvature_scale, config.loss)
    if not loss.isfinite():
        raise FloatingPointError(f'loss must be finite, got {loss.item()}: lower learning_rate')
    optimizer.zero_grad()
    loss.backward()
    if config.clip_norm:
        torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm)
    optimizer.step()
    h, c = output.state
    return loss.item(), (h.detach(), c.detach())


def masked_loss(
    curvature: Tensor, target: Tensor, unit: Tensor, kind: Literal['l1', 'huber'] = 'l1'
) -> Tensor:
    """Mean loss over the frames that have a label.

    Args:
        curvature: (B, T) float32, predicted, 1/m.
        target: (B, T) float32, 1/m; NaN where unknown.
        unit: () float32, 1/m; the loss is measured in it.
        kind: ``l1``, or ``huber``, which is quadratic below one unit.

    Returns:
        () float32; 0 if no frame has a label.
    """
    known = target.isfinite()
    error = torch.where(known, (curvature - torch.where(known, target, 0.0)) / unit, 0.0)
    per_frame = error.abs()
    if kind == 'huber':
        per_frame = torch.where(per_frame < 1, 0.5 * error**2, per_frame - 0.5)
    return per_frame.sum() / known.sum().clamp(min=1)


def _validate(network: Network, drives: list[Drive], config: TrainConfig) -> dict[str, Any]:
    """Score of the part kept apart, where it may be looked at."""
    if config.split.kind != 'end':
        return {}
    scored = []
    for drive in drives:
        part = config.split.parts(drive)[1] & np.isfinite(drive.column('curvature'))
        if part.any():
            scored.append(Scored(drive, part, predict(network, drive)))
    return score(scored, EvaluateConfig()) if scored else {}


def _checkpoint(
    network: Network, drives: list[Drive], config: TrainConfig, metrics: dict[str, Any]
) -> Checkpoint:
    return Checkpoint(
        network,
        drives[0].preprocessing.to_mapping(),
        drives[0].vehicle,
        describe_run(drives, config),
        metrics,
        config.name,
    )


def describe_run(drives: list[Drive], config: TrainConfig) -> dict[str, Any]:
    """Everything needed to repeat a run.

    Args:
        drives: What it is trained on.
        config: The recipe.

    Returns:
        What run.yaml holds, and the checkpoint under ``training``.
    """
    recipe = dataclasses.asdict(config)
    split = recipe.pop('split')
    return {
        'recipe': recipe,
        'split': split,
        'drives': [
            {
                'name': drive.name,
                'frames': len(drive),
                'frames_sha256': drive.frames_sha256,
            }
            for drive in drives
        ],
        'versions': {
            'signattn': signattn.__version__,
            'torch': str(torch.__version__),
            'python': platform.python_version(),
        },
    }


def _write_log(path: Path, log: list[dict[str, Any]]) -> None:
    lines = [','.join(log[0])]
    lines += [
        ','.join('' if value is None else f'{value:.6g}' for value in row.values()) for row in log
    ]
    write_text(path, '\n'.join(lines) + '\n')
