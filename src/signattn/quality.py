"""How far a network's maps can be trusted: every explainer and control, measured alike."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
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
from signattn.truth import PARTS, Measures, coverage, masks_beside, measure, through_cells

GREEDY = 'greedy'
RANDOM = 'random'
AREAS = {
    'excess_area_deg_percent': Curves.excess_areas,
    'fidelity_area_deg_percent': Curves.fidelity_areas,
    'auc_deg_percent': Curves.raw_areas,
}
TRUTHS = Measures._fields
CENTRE = 'centre'
CEILING = 'ceiling'
PLACE = ['drive', 'frame', 'block', 'sample']
GROUP = ['regime', 'mode', 'filling', 'method']

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
        modes: ``deletion``, ``insertion``.
        step: Every so many frames are measured in ``frame``; ``stream`` takes all.
        every_block: Every so many blocks of ``block_s`` are measured, with what is ahead of them:
            neighbouring frames say the same, so a long drive needs few of them.
        levels: Percent that ``deletion`` masks, rising.
        insertion_levels: Percent that ``insertion`` shows, rising.
        blur_px: Standard deviation of the blur of the maps.
        random_maps: How many random maps the control ``random`` is the mean of.
        masks: Folder of the masks that ``signattn synth`` wrote beside the recordings; how far the
            maps lie on what these call causal is measured where it is given.
        causal: What is causal: ``lines``, the whole ``road``, or all that ``moved`` with it.
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
    modes: tuple[str, ...] = ('deletion',)
    step: int = 1
    every_block: int = 1
    levels: tuple[float, ...] = tuple(range(26))
    insertion_levels: tuple[float, ...] = tuple(range(0, 101, 5))
    blur_px: float = 4.0
    random_maps: int = 10
    masks: Path | None = None
    causal: Literal['lines', 'road', 'moved'] = 'lines'
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
        for name in ('sample', 'step', 'every_block', 'random_maps'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name} must be at least 1, got {getattr(self, name)}')
        for name in ('fillings', 'regimes', 'modes'):
            if not getattr(self, name):
                raise ValueError(f'{name} must name at least one, got none')
        for _ in self.every(1):
            pass

    def every(self, frames: int) -> Iterator[DeletionConfig]:
        """How maps are measured: each regime in each mode with each filling.

        Args:
            frames: How many are measured of a drive.

        Yields:
            One after the other.
        """
        for regime, mode, filling in itertools.product(self.regimes, self.modes, self.fillings):
            yield DeletionConfig(
                levels=self.insertion_levels if mode == 'insertion' else self.levels,
                filling=filling,  # type: ignore[arg-type]  # checked there
                regime=regime,  # type: ignore[arg-type]
                mode=mode,  # type: ignore[arg-type]
                blur_px=self.blur_px,
                skip_s=self.warmup_s,
                seed=self.seed,
                # So that a few frames are work for several processes too.
                chunk=min(512, max(16, math.ceil(frames / 8))),
            )


class Quality(NamedTuple):
    """What was measured.

    Attributes:
        areas: A line for each drive, frame, regime, mode, filling and method: ``drive``,
            ``frame``, ``block``, ``sample`` (whether the frame is of the sample), ``regime``,
            ``mode``, ``filling``, ``method`` and the three areas of that frame.
        curves: A line for each regime, mode, filling, method and level: ``mae_deg``,
            ``moved_deg``; once over all frames that the method explained, once over the sample.
        costs: By method: ``forwards`` and ``milliseconds`` a frame.
        truth: A line for each drive, frame and method: how far its map lies on the causal pixels.
            Among the methods is the ``ceiling``, the truth itself through the 10×20 cells. Empty
            without masks.
    """

    areas: pd.DataFrame
    curves: pd.DataFrame
    costs: dict[str, dict[str, float]]
    truth: pd.DataFrame


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
        covered = _covered(part, config)
        if covered is not None:
            rows.compare(part, CEILING, through_cells(covered), covered)
        clean = clean_pass(network, part.drive)
        for name, maps in _maps(network, part, config, costs):
            report(f'{drive.name}: {name}')
            if covered is not None and not name.startswith(RANDOM):
                rows.compare(part, name, maps[part.frames], covered)
            for deletion in config.every(len(part.frames)):
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
    return Quality(rows.areas(), rows.curves(), costs.mean(), rows.truth())


def _covered(part: _Part, config: QualityConfig) -> Maps | None:
    """How much of each pixel is causal in the measured frames."""
    if config.masks is None:
        return None
    path = masks_beside(part.drive, config.masks)
    measured = np.isin(np.arange(len(part.drive)), part.frames)
    return coverage(part.drive.cut(measured), path, PARTS[config.causal])


def _part(drive: Drive, number: int, tested: NDArray[np.bool_], config: QualityConfig) -> _Part:
    """The tested part and a little ahead of it; nothing there was trained on, see ``purge_s``."""
    blocks = blocks_of(drive, number, config.block_s)
    tested = tested & np.isin(blocks, np.unique(blocks[tested])[:: config.every_block])
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
        blocks[kept],
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
    yield CENTRE, control.centre(len(drive))
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
    every = config.every(len(part.sample))
    frame = [each for each in every if each.regime == 'frame']
    for name in config.costly:
        explained = explain(part.drive, network, EXPLAINERS[name](), part.sample)
        costs.add(name, explained, len(part.sample))
        for deletion in frame:
            yield name, deletion, explained.saliency
    for deletion in frame if config.greedy else ():
        if deletion.mode == 'insertion':  # the search is for what breaks the answer
            continue
        sharp = replace(deletion, blur_px=0.0)
        maps = greedy_maps(network, part.drive, sharp, part.sample, executor=executor)
        yield GREEDY, sharp, maps.astype(np.float64)


class _Rows:
    """Collects what was measured."""

    def __init__(self) -> None:
        self._areas: list[pd.DataFrame] = []
        self._curves: list[pd.DataFrame] = []
        self._truth: list[pd.DataFrame] = []

    def add(self, part: _Part, name: str, config: DeletionConfig, made: Curves) -> None:
        """Note the curves of one method on one drive, where frames are tested."""
        inside = part.counts[made.frames]
        at = made.frames[inside]
        method = RANDOM if name.startswith(f'{RANDOM}_') else name
        about: dict[str, str] = {'regime': config.regime, 'mode': config.mode}
        about |= {'filling': config.filling, 'method': method}
        areas = {key: area(made)[inside] for key, area in AREAS.items()}
        self._areas.append(pd.DataFrame({**_place(part, at), **about, **areas}))
        errors = np.abs(made.theta_deg - made.truth_deg)
        moved = np.abs(made.theta_deg - made.clean_deg)
        for sampled in (False, True):
            chosen = inside & np.isin(made.frames, part.sample) if sampled else inside
            levels = {
                'sample': sampled,
                'level_percent': made.levels,
                'frames': chosen.sum(),
                'known': np.isfinite(made.truth_deg[chosen]).sum(),
                'mae_deg': np.nansum(errors[:, chosen], 1),
                'moved_deg': moved[:, chosen].sum(1),
            }
            self._curves.append(pd.DataFrame({**about, **levels}))

    def compare(self, part: _Part, method: str, maps: Maps, covered: Maps) -> None:
        """Note how far the maps of the measured frames lie on the causal pixels."""
        found = measure(maps, covered)._asdict()
        table = pd.DataFrame({**_place(part, part.frames), 'method': method, **found})
        self._truth.append(table.dropna(subset=[*TRUTHS]))

    def areas(self) -> pd.DataFrame:
        """Of every frame; of several random maps their mean."""
        table = pd.concat(self._areas, ignore_index=True)
        means: pd.DataFrame = table.groupby([*PLACE, *GROUP], sort=False, as_index=False).mean()
        return means

    def curves(self) -> pd.DataFrame:
        """Means over frames."""
        table = pd.concat(self._curves, ignore_index=True)
        keys = [*GROUP, 'sample', 'level_percent']
        sums: pd.DataFrame = table.groupby(keys, sort=False, as_index=False).sum()
        sums = sums.loc[sums['frames'] > 0].reset_index(drop=True)
        sums['mae_deg'] /= sums['known']
        sums['moved_deg'] /= sums['frames']
        means: pd.DataFrame = sums.drop(columns=['known', 'frames'])
        return means

    def truth(self) -> pd.DataFrame:
        """Of every frame in which something is causal."""
        empty: pd.DataFrame = pd.DataFrame(columns=[*PLACE, 'method', *TRUTHS])
        return pd.concat(self._truth, ignore_index=True) if self._truth else empty


def _place(part: _Part, at: Frames) -> dict[str, Any]:
    return {
        'drive': part.drive.name,
        'frame': part.places[at],
        'block': part.blocks[at],
        'sample': np.isin(at, part.sample),
    }


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
        A line for each regime, mode, filling and method: ``frames`` (those whose truth is known),
        the areas' means with their bounds; ``fidelity_above_away_deg_percent``, how much further
        the maps move the answer than those of the same method from 10 s away (of an insertion:
        how much nearer they bring it); and ``share``: of the way from the random maps to the
        greedy ones, if these were searched for, on the sample.
    """
    lines, wide = [], _wide(seeds)
    for key, group in wide.items():
        if not len(group.blocks):
            continue
        line: dict[str, Any] = dict(zip(GROUP, key, strict=True)) | {'frames': len(group.blocks)}
        for name, values in group.values.items():
            line |= _named(name, seed_block_interval(values, group.blocks))
        lines.append(line)
    shares, leads = _shares(seeds), _leads(wide)
    for line in lines:
        key = tuple(line[name] for name in GROUP)
        for name, found in (('share', shares), ('fidelity_above_away_deg_percent', leads)):
            if key in found:
                line.update(_named(name, found[key]))
    return lines


def _leads(wide: dict[tuple[str, ...], '_Wide']) -> dict[tuple[str, ...], Interval]:
    """F above that of the same method's maps from elsewhere; of an insertion below it."""
    first = next((key[-1] for key in wide), '')
    leads: dict[tuple[str, ...], Interval] = {}
    for (regime, mode, filling, method), own in wide.items():
        away = 'away' if method == first else f'{method}_away'
        other = wide.get((regime, mode, filling, away))
        if other is None or not len(own.blocks):
            continue
        name, sign = 'fidelity_area_deg_percent', -1 if mode == 'insertion' else 1
        gained = sign * (own.values[name] - other.values[name])
        leads[regime, mode, filling, method] = seed_block_interval(gained, own.blocks)
    return leads


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
        # Where the truth is unknown there is an answer, but no error.
        known = [group.get_group(key).dropna(subset=[*AREAS]) for group in grouped]
        tables = [table.sort_values(['drive', 'frame']) for table in known]
        stacked = {name: np.stack([table[name] for table in tables]) for name in AREAS}
        found[key] = _Wide(stacked, tables[0]['block'].to_numpy(np.int64))
    return found


def _shares(seeds: list[pd.DataFrame]) -> dict[tuple[str, ...], Interval]:
    """(F − F_random) / (F_greedy − F_random) on the sample."""
    wide = _wide([seed[seed['sample'] & (seed['regime'] == 'frame')] for seed in seeds])
    shares: dict[tuple[str, ...], Interval] = {}
    for (regime, mode, filling, method), own in wide.items():
        ceiling = wide.get((regime, mode, filling, GREEDY))
        if ceiling is None or method in (GREEDY, RANDOM):
            continue
        floor = wide[regime, mode, filling, RANDOM]
        name = 'fidelity_area_deg_percent'
        way = ceiling.values[name] - floor.values[name]
        made = own.values[name] - floor.values[name]
        shares[regime, mode, filling, method] = seed_block_ratio(made, way, own.blocks)
    return shares


def truth_summary(seeds: list[pd.DataFrame]) -> list[dict[str, Any]]:
    """How far the maps of every method lie on the causal pixels, with intervals.

    Args:
        seeds: ``Quality.truth`` of each seed's network, on the same frames.

    Returns:
        A line for each method: ``frames``, the measures' means with their bounds, and each one's
        ``_share``: of the way from the centre to the ceiling.
    """
    grouped = [seed.groupby('method', sort=False) for seed in seeds]
    found = {}
    for method in seeds[0]['method'].unique():
        tables = [group.get_group(method).sort_values(['drive', 'frame']) for group in grouped]
        stacked = {
            name: np.stack([each[name].to_numpy(float) for each in tables]) for name in TRUTHS
        }
        found[str(method)] = _Wide(stacked, tables[0]['block'].to_numpy(np.int64))
    lines = []
    for method, own in found.items():
        line: dict[str, Any] = {'method': method, 'frames': len(own.blocks)}
        for name in TRUTHS:
            line |= _named(name, seed_block_interval(own.values[name], own.blocks))
            low, high = found[CENTRE].values[name], found[CEILING].values[name]
            share = seed_block_ratio(own.values[name] - low, high - low, own.blocks)
            line |= _named(f'{name}_share', share)
        lines.append(line)
    return lines


def _named(name: str, interval: Interval) -> dict[str, float | None]:
    mean = interval.mean if math.isfinite(interval.mean) else None
    return {name: mean, f'{name}_low': interval.low, f'{name}_high': interval.high}
