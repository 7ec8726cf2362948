"""How far the predictions are from what was driven, beside what needs no network."""

import csv
import dataclasses
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from signattn.drive import Drive, DriveError, Split, windows
from signattn.model import Checkpoint, Network, Output, State
from signattn.motion import fit_weight, image_motion
from signattn.preprocess import NS_PER_S, Preprocessing, scale
from signattn.share import write_text
from signattn.stream import find_device
from signattn.vehicle import steering_from_curvature

_CHUNK = 64  # frames that go through the network at once
_WINDOW = 20
_STRIDE = 10
_BATCH = 8  # windows that go through the network at once

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class EvaluateConfig:
    """What is scored.

    Attributes:
        part: ``all`` frames, or only those that the split of the training kept ``apart``.
        windows: Also score windows of 20 frames in order, frozen and shuffled, which tells
            whether the network needs the motion: every tenth frame is the end of one.
        block_s: s; the interval of the error is a bootstrap over blocks of this length.
        seed: Of the shuffling and the bootstrap.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    """

    part: Literal['all', 'apart'] = 'all'
    windows: bool = True
    block_s: float = 10.0
    seed: int = 0
    device: str = 'auto'


class Scored(NamedTuple):
    """What was predicted for a drive.

    Attributes:
        drive: The drive.
        part: (N,) bool, the frames that count.
        curvature: (N,) float64, predicted, 1/m.
        lead_s: s, how much later the predicted curvature is driven.
    """

    drive: Drive
    part: NDArray[np.bool_]
    curvature: Floats
    lead_s: float = 0.0


def predict(network: Network, drive: Drive) -> Floats:
    """Curvature of every frame, the state carried from the first; afresh behind a gap.

    Args:
        network: In evaluation mode.
        drive: The drive.

    Returns:
        (N,) float64, 1/m, left positive.
    """
    device = network.curvature_scale.device
    curvature = np.empty(len(drive))

    def answer(chunk: slice, state: State | None) -> State:
        frames = torch.from_numpy(scale(drive.frames[chunk])[None]).to(device)
        output: Output = network(frames, state)
        curvature[chunk] = output.curvature[0].cpu().numpy()
        return output.state

    drive_through(drive, answer)
    return curvature


def drive_through(drive: Drive, answer: Callable[[slice, State | None], State]) -> None:
    """Answer all frames in order, the state carried; afresh behind a gap.

    Args:
        drive: The drive.
        answer: Answers a chunk of frames, from the state before it, which is None at a beginning;
            gives the state behind it. No gradient is kept.
    """
    with torch.inference_mode():
        for stretch in drive.stretches():
            state: State | None = None
            for start in range(stretch.start, stretch.stop, _CHUNK):
                state = answer(slice(start, min(start + _CHUNK, stretch.stop)), state)


def evaluate(
    checkpoint: Checkpoint, drives: list[Drive], config: EvaluateConfig | None = None
) -> tuple[dict[str, Any], list[Scored]]:
    """Score a network on drives, beside predictors that need none.

    Args:
        checkpoint: The network.
        drives: With steering.
        config: What is scored.

    Returns:
        Metrics with units in the keys, and the predictions.

    Raises:
        DriveError: If a drive has no steering, was made with another preprocessing, or the part
            that is to be scored is empty.
    """
    config = config or EvaluateConfig()
    network = checkpoint.network.to(find_device(config.device))
    lead_s = lead_of(checkpoint)
    scored = []
    for drive in drives:
        drive.require_labels()
        check_preprocessing(checkpoint, drive)
        part = tested_part(checkpoint, drive, config.part)
        part &= np.isfinite(drive.ahead('curvature', lead_s))
        scored.append(Scored(drive, part, predict(network, drive), lead_s))
    if not any(item.part.any() for item in scored):
        raise DriveError(f'{drives[0].path}: the part to score must hold a label, got none')
    metrics = score(scored, config)
    metrics['seen_in_training'] = config.part == 'all' and any(
        _seen(checkpoint, drive) for drive in drives
    )
    if config.part == 'apart':
        metrics |= _score_motion(scored, _split_of(checkpoint))
    if config.windows:
        metrics |= _score_windows(network, scored, config)
    return metrics, scored


def lead_of(checkpoint: Checkpoint) -> float:
    """How much later the curvature is driven that a network predicts, s."""
    return float(checkpoint.training.get('recipe', {}).get('target_lead_s', 0.0))


def check_preprocessing(checkpoint: Checkpoint, drive: Drive) -> None:
    """Refuse a drive whose frames were made in another way than the network's.

    Args:
        checkpoint: The network.
        drive: The drive.

    Raises:
        DriveError: If crop, rate or the way of decoding differ.
    """
    expected = dataclasses.asdict(Preprocessing.from_mapping(checkpoint.preprocessing))
    actual = dataclasses.asdict(drive.preprocessing)
    for key, value in expected.items():
        if key != 'aspect_ratio' and actual[key] != value:
            raise DriveError(
                f'{drive.path}: {key} must be {value} as in the training of '
                f'{checkpoint.name}, got {actual[key]}: convert the recording again'
            )


def score(scored: list[Scored], config: EvaluateConfig) -> dict[str, Any]:
    """Errors over all frames that count, in degrees at the wheel and in 1/m.

    Args:
        scored: Predictions.
        config: Length of the bootstrap's blocks, and its seed.

    Returns:
        Metrics with units in the keys. ``mae_deg_zero`` always answers 0; ``mae_deg_previous``
        repeats the label before, which no network can see.
    """
    errors = {'': [], '_zero': [], '_previous': []}  # type: dict[str, list[Floats]]
    per_m, blocks = [], []
    places: dict[Path, int] = {}
    for item in scored:
        drive, part, curvature, lead_s = item
        angle = drive.ahead('steering_angle', lead_s)
        truth = drive.ahead('curvature', lead_s)
        errors[''].append(errors_deg(item)[part])
        errors['_zero'].append(_degrees(angle)[part])
        errors['_previous'].append(_degrees(_previous(drive, angle) - angle)[part])
        per_m.append(np.abs(curvature - truth)[part])
        # A block that several networks were scored on is one block.
        place = places.setdefault(drive.path, len(places))
        blocks.append(blocks_of(drive, place, config.block_s)[part])
    own = np.concatenate(errors[''])
    low, high = block_interval(own, np.concatenate(blocks), config.seed)
    metrics: dict[str, Any] = {'frames': len(own)}
    for name, parts in errors.items():
        # A label before is missing at the start, and may be everywhere.
        known = np.concatenate(parts)
        known = known[np.isfinite(known)]
        metrics[f'mae_deg{name}'] = float(known.mean()) if known.size else None
        if not name:
            metrics['mae_deg_low'], metrics['mae_deg_high'] = low, high
    metrics['mae_per_m'] = float(np.concatenate(per_m).mean())
    return metrics


def block_interval(
    errors: Floats, blocks: Floats, seed: int, confidence: float = 0.95
) -> tuple[float | None, float | None]:
    """Bootstrap interval of a mean over frames that aren't independent: whole blocks are drawn.

    Args:
        errors: (N,) float64.
        blocks: (N,) which block each frame is in.
        seed: Of the draws.
        confidence: Coverage.

    Returns:
        Lower and upper bound in the unit of errors; None each with fewer than two blocks.
    """
    _, block = np.unique(blocks, return_inverse=True)
    sums, counts = np.bincount(block, errors), np.bincount(block)
    if len(sums) < 2:
        return None, None

    def mean(total: Floats, count: Floats, axis: int = -1) -> Floats:
        return np.asarray(total.sum(axis) / count.sum(axis))

    interval = stats.bootstrap(
        (sums, counts),
        mean,
        paired=True,
        vectorized=True,
        n_resamples=2000,
        confidence_level=confidence,
        method='percentile',
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _degrees(angle: Floats) -> Floats:
    return np.abs(np.degrees(angle))


def degrees_apart(curvature: Floats, other: Floats, drive: Drive, lead_s: float = 0.0) -> Floats:
    """How far two answers are from each other at the wheel, at the speed at the predicted time.

    Args:
        curvature: (N,) float64, 1/m.
        other: (N,) float64, 1/m.
        drive: Whose frames they are about.
        lead_s: s, how much later the curvature is driven.

    Returns:
        (N,) float64, degrees, at least 0; NaN where the speed is unknown.
    """
    speed, vehicle = drive.ahead('speed', lead_s), drive.vehicle
    angles = [steering_from_curvature(each, speed, vehicle) for each in (curvature, other)]
    return _degrees(angles[0] - angles[1])


def blocks_of(drive: Drive, index: int, block_s: float) -> NDArray[np.int64]:
    """Which block of time each frame of a drive is in.

    Args:
        drive: The drive.
        index: Number of the drive among those that are scored.
        block_s: s, length of a block.

    Returns:
        (N,) int64; no two drives share a number.
    """
    seconds = (drive.stamps_ns - drive.stamps_ns[0]) / NS_PER_S
    return np.asarray(index * 1_000_000 + seconds // block_s, np.int64)


def errors_deg(item: Scored) -> Floats:
    """Errors at the wheel, at the speed that is driven at the predicted time.

    Args:
        item: What was predicted for a drive.

    Returns:
        (N,) float64, degrees, at least 0; NaN where the truth is unknown.
    """
    drive, lead_s = item.drive, item.lead_s
    angle = steering_from_curvature(item.curvature, drive.ahead('speed', lead_s), drive.vehicle)
    return _degrees(angle - drive.ahead('steering_angle', lead_s))


def _previous(drive: Drive, angle: Floats) -> Floats:
    previous = np.full(len(angle), np.nan)
    previous[1:] = angle[:-1]
    for stretch in drive.stretches():
        previous[stretch.start] = np.nan
    return previous


def tested_part(
    checkpoint: Checkpoint, drive: Drive, part: Literal['all', 'apart']
) -> NDArray[np.bool_]:
    """The frames of a drive that a network is tested on.

    Args:
        checkpoint: The network.
        drive: The drive.
        part: ``all`` frames, or those that the split of the training kept ``apart``.

    Returns:
        (N,) bool.

    Raises:
        DriveError: If nothing of the drive was kept apart.
    """
    if part == 'all':
        return np.ones(len(drive), bool)
    split = _split_of(checkpoint)
    if not _seen(checkpoint, drive, split=True):
        raise DriveError(
            f'{drive.path} must be a drive that {checkpoint.name} was trained on to have a '
            'part apart, got another one: score all of its frames'
        )
    return split.parts(drive)[1]


def _split_of(checkpoint: Checkpoint) -> Split:
    recorded = checkpoint.training.get('split')
    if not recorded or recorded.get('kind') == 'none':
        raise DriveError(
            f'{checkpoint.name} must have kept a part apart in training to be scored on it, got '
            f'split {recorded}: score all frames of a drive that it has not seen'
        )
    return Split(**recorded)


def _seen(checkpoint: Checkpoint, drive: Drive, *, split: bool = False) -> bool:
    """Whether the network was trained on a drive, or on a part of it, with ``split``."""
    entries = checkpoint.training.get('drives', [])
    known = {
        entry.get('frames_sha256') for entry in entries if not split or entry.get('split', True)
    }
    return drive.frames_sha256 in known


def _score_motion(scored: list[Scored], split: Split) -> dict[str, Any]:
    """The one-weight regressor from image motion, fitted on the training parts."""
    motions = [image_motion(item.drive) for item in scored]
    train = [split.parts(item.drive)[0] for item in scored]
    truths = [
        item.drive.ahead('curvature', item.lead_s, part)
        for item, part in zip(scored, train, strict=True)
    ]
    weight = fit_weight(
        np.concatenate([motion[part] for motion, part in zip(motions, train, strict=True)]),
        np.concatenate([truth[part] for truth, part in zip(truths, train, strict=True)]),
    )
    errors = []
    for item, motion in zip(scored, motions, strict=True):
        # Without motion, at the first frame, the answer is straight on.
        answered = item._replace(curvature=weight * np.nan_to_num(motion))
        errors.append(errors_deg(answered)[item.part])
    return {'mae_deg_motion': float(np.concatenate(errors).mean())}


def _score_windows(
    network: Network, scored: list[Scored], config: EvaluateConfig
) -> dict[str, Any]:
    """Error at the last frame of windows in order, frozen on it, and shuffled before it."""
    rng = np.random.default_rng(config.seed)
    errors: dict[str, list[Floats]] = {'ordered': [], 'frozen': [], 'shuffled': []}
    for drive, part, _, lead_s in scored:
        starts = windows(drive, _WINDOW)
        starts = starts[part[starts + _WINDOW - 1]][::_STRIDE]
        order = starts[:, None] + np.arange(_WINDOW)  # (W, T)
        before = np.array([rng.permutation(row) for row in order[:, :-1]], np.int64)
        ends = order[:, -1:]
        orders = {
            'ordered': order,
            'frozen': np.repeat(ends, _WINDOW, 1),
            'shuffled': np.concatenate([before.reshape(len(ends), _WINDOW - 1), ends], 1),
        }
        for name, chosen in orders.items():
            # What was predicted for other frames doesn't count.
            curvature = np.full(len(drive), np.nan)
            curvature[ends[:, 0]] = _answer_windows(network, drive, chosen)
            off = errors_deg(Scored(drive, part, curvature, lead_s))
            errors[name].append(off[ends[:, 0]])
    means = {name: np.concatenate(parts) for name, parts in errors.items()}
    return {f'mae_deg_{name}': float(off.mean()) for name, off in means.items() if off.size}


def _answer_windows(network: Network, drive: Drive, orders: NDArray[np.int64]) -> Floats:
    """Answers at the ends of windows, (W,)."""
    device, answers = network.curvature_scale.device, np.empty(len(orders))
    with torch.inference_mode():
        for start in range(0, len(orders), _BATCH):
            chunk = slice(start, start + _BATCH)
            frames = torch.from_numpy(scale(drive.frames[orders[chunk].ravel()]))
            shown = frames.unflatten(0, (-1, _WINDOW)).to(device)
            answers[chunk] = network(shown).curvature[:, -1].cpu().numpy()
    return answers


def write_predictions(path: Path, scored: list[Scored]) -> None:
    """Write one row a frame: drive, stamp, what was driven and predicted, and whether it counts.

    Args:
        path: The csv file.
        scored: Predictions.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(
        ('drive', 'stamp_ns', 'steering_angle', 'curvature', 'predicted_curvature', 'counts')
    )
    for item in scored:
        writer.writerows(_rows(item))
    write_text(path, text.getvalue())


def _rows(item: Scored) -> Iterator[tuple[object, ...]]:
    drive = item.drive
    columns = (drive.stamps_ns, drive.column('steering_angle'), drive.column('curvature'))
    for stamp, angle, truth, predicted, counts in zip(
        *columns, item.curvature, item.part, strict=True
    ):
        yield drive.name, int(stamp), angle, truth, predicted, int(counts)
