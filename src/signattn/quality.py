"""How far a network's maps can be trusted: every explainer and control, measured alike."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signattn.deletion import Curves, DeletionConfig, clean_pass, curves_of_all, greedy_maps
from signattn.drive import Drive
from signattn.evaluate import blocks_of, check_preprocessing, lead_of, tested_part
from signattn.explain import EXPLAINERS, Explained, explain
from signattn.explain import controls as control
from signattn.intervals import Interval, seed_block_interval, seed_block_ratio
from signattn.model import Checkpoint, Network
from signattn.preprocess import NS_PER_S
from signattn.stream import find_device

GREEDY = 'greedy'
RANDOM = 'random'
AREAS = {
    'excess_area_deg_percent': Curves.excess_areas,
    'fidelity_area_deg_percent': Curves.fidelity_areas,
    'auc_deg_percent': Curves.raw_areas,
}
GROUP = ['regime', 'filling', 'method']

Maps = NDArray[np.floating[Any]]
Frames = NDArray[np.int64]


@dataclass(frozen=True)
class QualityConfig:
    """What is measured.

    Attributes:
        part: ``all`` frames, or only those that the split of the training kept ``apart``.
        explainers: Methods that explain every frame. The first one's maps are those that the
            controls are made of.
        costly: Methods that explain a sample only.
        greedy: Whether to search for the ceiling, on the sample.
        sample: Frames of each drive in the sample.
        fillings: What shows in place of masked pixels.
        regimes: ``frame``, ``stream``.
        step: Every so many frames are measured in ``frame``; ``stream`` takes all.
        levels: Percent that is masked; from 0 to the last one at equal steps.
        blur_px: Standard deviation of the blur of the maps.
        random_maps: How many random maps the control ``random`` is the mean of.
        warmup_s: s ahead of each part that are shown to the network too; not measured.
        block_s: s; intervals are a bootstrap over blocks of this length.
        seed: Of whatever is drawn.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    """

    part: Literal['all', 'apart'] = 'all'
    explainers: tuple[str, ...] = ('attention', 'gradcam')
    costly: tuple[str, ...] = ()
    greedy: bool = False
    sample: int = 40
    fillings: tuple[str, ...] = ('blurred', 'mean', 'black')
    regimes: tuple[str, ...] = ('frame', 'stream')
    step: int = 1
    levels: tuple[float, ...] = tuple(range(26))
    blur_px: float = 4.0
    random_maps: int = 10
    warmup_s: float = 2.0
    block_s: float = 10.0
    seed: int = 0
    device: str = 'auto'

    def __post_init__(self) -> None:
        """Refuse what can't be measured."""
        for name in (*self.explainers, *self.costly):
            if name not in EXPLAINERS:
                raise ValueError(f'explainers must be of {", ".join(EXPLAINERS)}, got {name!r}')
        if not self.explainers:
            raise ValueError('explainers must name at least one, got none')
        for name, least in (('sample', 1), ('step', 1), ('random_maps', 1)):
            if getattr(self, name) < least:
                raise ValueError(f'{name} must be at least {least}, got {getattr(self, name)}')
        for filling in self.fillings:
            for regime in self.regimes:
                self.deletion(filling, regime)

    def deletion(self, filling: str, regime: str) -> DeletionConfig:
        """How one regime with one filling is measured."""
        return DeletionConfig(
            levels=self.levels,
            filling=filling,  # type: ignore[arg-type]  # checked there
            regime=regime,  # type: ignore[arg-type]
            blur_px=self.blur_px,
            skip_s=self.warmup_s,
            seed=self.seed,
        )


class Quality(NamedTuple):
    """What was measured.

    Attributes:
        areas: A line for each drive, frame, regime, filling and method: ``drive``, ``frame``,
            ``block``, ``sample`` (whether the frame is of the sample), ``regime``, ``filling``,
            ``method`` and the three areas of that frame.
        curves: A line for each regime, filling, method and level: ``mae_deg``, ``moved_deg``.
        costs: By method: ``forwards`` and ``milliseconds`` a frame.
    """

    areas: pd.DataFrame
    curves: pd.DataFrame
    costs: dict[str, dict[str, float]]


class _Part(NamedTuple):
    """What is measured of a drive.

    Attributes:
        drive: Cut to the tested part, with what the network is shown ahead of it.
        frames: Places of the frames in ``frame``, rising.
        sample: Places of the sample, among them.
        places: (N,) places in the whole drive.
        blocks: (N,) blocks of time of the whole drive.
        counts: (N,) bool, the frames that are tested.
    """

    drive: Drive
    frames: Frames
    sample: Frames
    places: Frames
    blocks: Frames
    counts: NDArray[np.bool_]


def measure_quality(
    checkpoint: Checkpoint,
    drives: list[Drive],
    config: QualityConfig | None = None,
    *,
    executor: Executor | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Quality:
    """Measure every method on drives.

    Args:
        checkpoint: The network.
        drives: With steering.
        config: What is measured.
        executor: Shares the work among processes; the result doesn't depend on how many.
        report: Called with what comes next.

    Returns:
        Areas frame by frame, curves, costs.

    Raises:
        DriveError: If a drive has no steering, another preprocessing or nothing to be tested on.
        ValueError: If a method can't explain the network.
    """
    config = config or QualityConfig()
    network = checkpoint.network.to(find_device(config.device)).eval()
    lead_s = lead_of(checkpoint)
    rows, costs = _Rows(), _Costs()
    for number, drive in enumerate(drives):
        drive.require_labels()
        check_preprocessing(checkpoint, drive)
        part = _part(drive, number, tested_part(checkpoint, drive, config.part), config)
        clean = clean_pass(network, part.drive)
        for name, maps in _maps(network, part, config, costs):
            report(f'{drive.name}: {name}')
            for deletion in _every(config):
                chosen = part.frames if deletion.regime == 'frame' else None
                shown = maps if chosen is None else maps[chosen]
                made = curves_of_all(
                    network,
                    part.drive,
                    {name: shown},
                    deletion,
                    frames=chosen,
                    lead_s=lead_s,
                    clean=clean,
                    executor=executor,
                )
                rows.add(part, name, deletion, made[name])
        for name, deletion, maps in _sampled(network, part, config, costs, executor):
            report(f'{drive.name}: {name}')
            made = curves_of_all(
                network,
                part.drive,
                {name: maps},
                deletion,
                frames=part.sample,
                lead_s=lead_s,
                clean=clean,
                executor=executor,
            )
            rows.add(part, name, deletion, made[name])
    return Quality(rows.areas(), rows.curves(), costs.mean())


def _every(config: QualityConfig) -> Iterator[DeletionConfig]:
    for regime in config.regimes:
        for filling in config.fillings:
            yield config.deletion(filling, regime)


def _part(drive: Drive, number: int, tested: NDArray[np.bool_], config: QualityConfig) -> _Part:
    """The tested part and a little ahead of it; nothing there was trained on, see ``purge_s``."""
    kept = tested.copy()
    for stretch in drive.stretches():
        stamps = drive.stamps_ns[stretch]
        beginnings = np.flatnonzero(np.diff(tested[stretch].astype(int), prepend=0) == 1)
        for beginning in beginnings:
            ahead = stamps[beginning] - stamps
            kept[stretch] |= (ahead > 0) & (ahead <= config.warmup_s * NS_PER_S)
    cut = drive.cut(kept)
    known = np.isfinite(cut.column('steering_angle')) & np.isfinite(cut.column('speed'))
    counts = tested[kept]
    frames = np.flatnonzero(counts & known)[:: config.step]
    if not len(frames):
        raise ValueError(f'{drive.path} must hold a frame to measure, got none')
    spread = np.linspace(0, len(frames) - 1, min(config.sample, len(frames))).round()
    return _Part(
        cut,
        frames,
        frames[spread.astype(np.int64)],
        np.flatnonzero(kept),
        blocks_of(drive, number, config.block_s)[kept],
        counts,
    )


def _maps(
    network: Network, part: _Part, config: QualityConfig, costs: '_Costs'
) -> Iterator[tuple[str, Maps]]:
    """Maps of all frames, one method at a time: a long drive's are large."""
    drive, own = part.drive, None
    for name in config.explainers:
        explained = explain(drive, network, EXPLAINERS[name]())
        costs.add(name, explained, len(drive))
        yield name, explained.saliency
        own = explained.saliency if own is None else own
        if name != config.explainers[0]:
            yield f'{name}_away', control.away(explained.saliency, drive.preprocessing.rate_hz)
    assert own is not None  # noqa: S101 (there is a first one)
    yield 'time_mean', control.time_mean(own)
    yield 'away', control.away(own, drive.preprocessing.rate_hz)
    yield 'row_mean', control.row_mean(own)
    yield 'permuted', control.permuted(own, config.seed)
    yield 'centre', control.centre(len(drive))
    for index in range(config.random_maps):
        yield f'{RANDOM}_{index}', control.random(len(drive), config.seed + index)


def _sampled(
    network: Network,
    part: _Part,
    config: QualityConfig,
    costs: '_Costs',
    executor: Executor | None,
) -> Iterator[tuple[str, DeletionConfig, Maps]]:
    """Maps of the sample, and how they are measured."""
    frame = [each for each in _every(config) if each.regime == 'frame']
    for name in config.costly:
        explained = explain(part.drive, network, EXPLAINERS[name](), part.sample)
        costs.add(name, explained, len(part.sample))
        for deletion in frame:
            yield name, deletion, explained.saliency
    for deletion in frame if config.greedy else ():
        sharp = replace(deletion, blur_px=0.0)
        maps = greedy_maps(network, part.drive, sharp, part.sample, executor=executor)
        yield GREEDY, sharp, maps.astype(np.float64)


class _Rows:
    """Collects what was measured."""

    def __init__(self) -> None:
        self._areas: list[pd.DataFrame] = []
        self._curves: list[pd.DataFrame] = []

    def add(self, part: _Part, name: str, config: DeletionConfig, made: Curves) -> None:
        """Note the curves of one method on one drive, where frames are tested."""
        inside = part.counts[made.frames]
        at = made.frames[inside]
        method = RANDOM if name.startswith(f'{RANDOM}_') else name
        about = {'regime': config.regime, 'filling': config.filling, 'method': method}
        areas = {key: area(made)[inside] for key, area in AREAS.items()}
        place = {
            'drive': part.drive.name,
            'frame': part.places[at],
            'block': part.blocks[at],
            'sample': np.isin(at, part.sample),
        }
        self._areas.append(pd.DataFrame({**place, **about, **areas}))
        errors = np.abs(made.theta_deg - made.truth_deg)[:, inside]
        moved = np.abs(made.theta_deg - made.clean_deg)[:, inside]
        levels = {
            'level_percent': made.levels,
            'frames': inside.sum(),
            'error_deg': np.nansum(errors, 1),
            'moved_deg': moved.sum(1),
        }
        self._curves.append(pd.DataFrame({**about, **levels}))

    def areas(self) -> pd.DataFrame:
        """Of every frame; of several random maps their mean."""
        keys = ['drive', 'frame', 'block', 'sample', *GROUP]
        table = pd.concat(self._areas, ignore_index=True)
        return table.groupby(keys, sort=False, as_index=False).mean()

    def curves(self) -> pd.DataFrame:
        """Means over all frames."""
        table = pd.concat(self._curves, ignore_index=True)
        sums = table.groupby([*GROUP, 'level_percent'], sort=False, as_index=False).sum()
        frames = sums.pop('frames')
        sums['mae_deg'] = sums.pop('error_deg') / frames
        sums['moved_deg'] /= frames
        return sums


class _Costs:
    """What explaining cost, over drives."""

    def __init__(self) -> None:
        self._seen: dict[str, list[tuple[float, float, int]]] = {}

    def add(self, name: str, explained: Explained, frames: int) -> None:
        """Note the cost of some frames."""
        entry = (explained.forwards, explained.milliseconds, frames)
        self._seen.setdefault(name, []).append(entry)

    def mean(self) -> dict[str, dict[str, float]]:
        """Per frame."""
        means = {}
        for name, entries in self._seen.items():
            forwards, milliseconds, frames = (
                np.array(each) for each in zip(*entries, strict=True)
            )
            means[name] = {
                'forwards': float(np.average(forwards, weights=frames)),
                'milliseconds': float(np.average(milliseconds, weights=frames)),
            }
        return means


def summary(seeds: list[pd.DataFrame]) -> list[dict[str, Any]]:
    """Mean areas of every method with intervals.

    Args:
        seeds: ``Quality.areas`` of each seed's network, on the same frames; folds put together.

    Returns:
        A line for each regime, filling and method: ``frames``, the areas' means with their
        bounds, and ``share``: of the way from the random maps to the greedy ones, if these were
        searched for, on the sample.
    """
    lines = []
    for key, group in _wide(seeds).items():
        line: dict[str, Any] = dict(zip(GROUP, key, strict=True)) | {'frames': len(group.blocks)}
        for name, values in group.values.items():
            line |= _named(name, seed_block_interval(values, group.blocks))
        lines.append(line)
    shares = _shares(seeds)
    for line in lines:
        share = shares.get(tuple(line[name] for name in GROUP))
        if share is not None:
            line.update(_named('share', share))
    return lines


class _Wide(NamedTuple):
    """A method's areas, seeds by frames.

    Attributes:
        values: By area (S, M).
        blocks: (M,) int64.
    """

    values: Mapping[str, NDArray[np.float64]]
    blocks: Frames


def _wide(seeds: list[pd.DataFrame]) -> dict[tuple[str, ...], _Wide]:
    found: dict[tuple[str, ...], _Wide] = {}
    grouped = [seed.groupby(GROUP, sort=False) for seed in seeds]
    for named, _ in grouped[0]:
        key = tuple(map(str, named))
        tables = [group.get_group(key).sort_values(['drive', 'frame']) for group in grouped]
        stacked = {name: np.stack([table[name] for table in tables]) for name in AREAS}
        found[key] = _Wide(stacked, tables[0]['block'].to_numpy(np.int64))
    return found


def _shares(seeds: list[pd.DataFrame]) -> dict[tuple[str, ...], Interval]:
    """(F − F_random) / (F_greedy − F_random) on the sample."""
    wide = _wide([seed[seed['sample'] & (seed['regime'] == 'frame')] for seed in seeds])
    shares: dict[tuple[str, ...], Interval] = {}
    for (regime, filling, method), own in wide.items():
        ceiling = wide.get((regime, filling, GREEDY))
        if ceiling is None or method in (GREEDY, RANDOM):
            continue
        floor = wide[regime, filling, RANDOM]
        name = 'fidelity_area_deg_percent'
        way = ceiling.values[name] - floor.values[name]
        made = own.values[name] - floor.values[name]
        shares[regime, filling, method] = seed_block_ratio(made, way, own.blocks)
    return shares


def _named(name: str, interval: Interval) -> dict[str, float | None]:
    return {name: interval.mean, f'{name}_low': interval.low, f'{name}_high': interval.high}
