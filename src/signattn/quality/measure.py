"""Every explainer and control of a network, measured alike, frame by frame."""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signattn.deletion import (
    Clean,
    Curves,
    DeletionConfig,
    clean_pass,
    counted,
    curves,
    greedy_maps,
)
from signattn.drive import Drive, DriveError, frames_apart
from signattn.evaluate import blocks_of, check_preprocessing, lead_of, tested_part
from signattn.explain import Explained, explain, new_explainer
from signattn.explain import controls as control
from signattn.model import Checkpoint, Network
from signattn.preprocess import HEIGHT, NS_PER_S, WIDTH
from signattn.quality.config import FEATURE, QualityConfig
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
        covered: How much of each pixel of ``frames`` is causal; None without masks, and until
            it is known.
    """

    drive: Drive
    frames: Frames
    sample: Frames
    places: Frames
    blocks: Frames
    counts: NDArray[np.bool_]
    covered: Maps | None


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
        executor: Shares the work among threads or processes; the result doesn't depend on how
            many there are.
        report: Called with what comes next.

    Returns:
        Areas frame by frame, curves, costs. A drive that holds no frame to measure in a regime is
        left out there; see ``unmeasured``.

    Raises:
        DriveError: If a drive has no steering or another preprocessing, or no drive a frame to
            measure in a regime.
        ValueError: If a method can't explain the network.
    """
    config = config or QualityConfig()
    network = checkpoint.network.to(find_device(config.device)).eval()
    lead_s = lead_of(checkpoint)
    rows, costs = _Rows(config.blur_px), _Costs()
    for drive in drives:
        drive.require_labels()
        check_preprocessing(checkpoint, drive)
    parts = (_part(checkpoint, drive, number, config) for number, drive in enumerate(drives))
    seen = _until_all_can_be_measured(parts, config, lead_s)
    for part in itertools.chain(seen, parts):
        every = tuple(_every(part, config, part.frames, lead_s))
        if not every:
            continue
        shown = _Shown(
            network,
            part._replace(covered=_covered(part.drive, part.frames, config)),
            clean_pass(network, part.drive),
            lead_s,
            executor,
            config,
            rows,
            costs,
            report,
        )
        _measure_all(shown, every)
        _measure_sample(shown)
    return Quality(rows.areas(), rows.curves(), costs.mean(), rows.truth())


def unmeasured(areas: pd.DataFrame, drives: list[Drive], config: QualityConfig) -> list[str]:
    """What was left out of a measurement, since a drive holds no frame for it.

    Args:
        areas: ``Quality.areas``.
        drives: That were to be measured.
        config: How.

    Returns:
        A line for each drive that lacks a regime.
    """
    found, lines = {*areas.groupby(['drive', 'regime'], sort=False).groups}, []
    for drive in drives:
        left = [regime for regime in config.regimes if (drive.name, regime) not in found]
        if left:
            lines.append(f'{drive.name} has no frame to measure in {" and ".join(left)}')
    return lines


class _Shown(NamedTuple):
    """A drive as it is shown to a network, and where what comes of it is noted.

    Attributes:
        network: In evaluation mode.
        part: What is measured of the drive.
        clean: The network's answers and states.
        lead_s: s, how much later its answers are driven.
        executor: Shares the work.
        config: What is measured.
        rows: Of all drives.
        costs: Of all drives.
        report: Called with what comes next.
    """

    network: Network
    part: _Part
    clean: Clean
    lead_s: float
    executor: Executor | None
    config: QualityConfig
    rows: '_Rows'
    costs: '_Costs'
    report: Callable[[str], None]

    def say(self, method: str) -> None:
        """What is measured next."""
        self.report(f'{self.part.drive.name}: {method}')

    def measure(self, method: str, maps: Maps, how: DeletionConfig, frames: Frames | None) -> None:
        """Note the answers without what some maps mark."""
        made = curves(
            self.network,
            self.part.drive,
            maps,
            how,
            frames=frames,
            lead_s=self.lead_s,
            clean=self.clean,
            executor=self.executor,
        )
        self.rows.add(self.part, method, how, made)


def _measure_all(shown: _Shown, every: tuple[DeletionConfig, ...]) -> None:
    """Measure what explains every frame, and the controls."""
    part, rows = shown.part, shown.rows
    if part.covered is not None:
        rows.compare(part, CEILING, through_cells(part.covered), part.frames)
    for name, maps in _maps(shown.network, part, shown.config, shown.costs):
        shown.say(name)
        if not name.startswith(RANDOM):
            rows.compare(part, name, maps[part.frames], part.frames)
        for how in every:
            chosen = part.frames if how.regime == 'frame' else None
            shown.measure(name, maps if chosen is None else maps[chosen], how, chosen)


def _measure_sample(shown: _Shown) -> None:
    """Measure what explains a sample, and the ceiling; a stream would need maps of all frames."""
    part, config = shown.part, shown.config
    every = _every(part, config, part.sample, shown.lead_s)
    alone = tuple(how for how in every if how.regime == 'frame')
    for name, maps in _sampled(shown.network, part, config, shown.costs):
        shown.say(name)
        shown.rows.compare(part, name, maps, part.sample)
        for how in alone:
            shown.measure(name, maps, how, part.sample)
    for how in alone if config.greedy else ():
        if how.mode == 'insertion':  # the search is for what breaks the answer
            continue
        shown.say(GREEDY)
        sharp = replace(how, blur_px=0.0)
        maps = greedy_maps(
            shown.network,
            part.drive,
            sharp,
            part.sample,
            clean=shown.clean,
            executor=shown.executor,
        )
        shown.measure(GREEDY, maps, sharp, part.sample)


def _until_all_can_be_measured(
    parts: Iterator[_Part], config: QualityConfig, lead_s: float
) -> list[_Part]:
    """The first drives, up to where each regime has a frame; refused if none has."""
    left, seen = {*config.regimes}, list[_Part]()
    for part in parts:
        seen.append(part)
        left -= {how.regime for how in _every(part, config, part.frames, lead_s)}
        if not left:
            return seen
    where = ', '.join(str(part.drive.path) for part in seen)
    raise DriveError(
        f'{where} must hold a frame to measure in {" and ".join(sorted(left))}, with steering and '
        'speed and in what is tested, got none'
    )


def _every(
    part: _Part, config: QualityConfig, frames: Frames, lead_s: float
) -> Iterator[DeletionConfig]:
    """How some frames of a drive are measured: in the regimes in which one of them counts."""
    for how in config.every(len(frames)):
        at = np.arange(len(part.drive)) if how.regime == 'stream' else frames
        several = len(frames) and len(part.drive) > 1  # a lone picture has no control
        if several and counted(part.drive, how, at, lead_s).any():
            yield how


def _part(checkpoint: Checkpoint, drive: Drive, number: int, config: QualityConfig) -> _Part:
    """The tested part and a little ahead of it; nothing there was trained on, see ``purge_s``."""
    tested = tested_part(checkpoint, drive, config.part)
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
    frames = np.flatnonzero(counts & known)
    # The middle one of so many, as the first of a drive has nothing behind it.
    frames = frames[max(min(config.step, len(frames)) - 1, 0) // 2 :: config.step]
    spread = np.linspace(0, len(frames) - 1, min(config.sample, len(frames))).round()
    return _Part(
        cut,
        frames,
        frames[spread.astype(np.int64)],
        np.flatnonzero(kept),
        blocks[kept],
        counts,
        None,
    )


def _covered(drive: Drive, frames: Frames, config: QualityConfig) -> Maps | None:
    """How much of each pixel is causal in some frames of a drive."""
    if config.masks is None:
        return None
    chosen = drive.cut(np.isin(np.arange(len(drive)), frames))
    return coverage(chosen, masks_beside(drive, config.masks), PARTS[config.causal])


def _maps(
    network: Network, part: _Part, config: QualityConfig, costs: '_Costs'
) -> Iterator[tuple[str, Maps]]:
    """Maps of all frames, one method at a time: a long drive's are large."""
    drive, own = part.drive, None
    for name in config.explainers:
        wanted = _wanted(part, config, own is None)
        explained = explain(drive, network, new_explainer(name, config.seed), wanted)
        costs.add(name, explained, len(wanted))
        maps = explained.saliency
        if len(wanted) < len(drive):
            maps = np.zeros((len(drive), HEIGHT, WIDTH))
            maps[wanted] = explained.saliency
        yield name, maps
        if own is None:
            own = maps
        else:
            yield f'{name}_away', control.away(maps, drive.preprocessing.rate_hz)
    assert own is not None  # noqa: S101 (there is a first one)
    yield 'time_mean', control.time_mean(own)
    yield 'away', control.away(own, drive.preprocessing.rate_hz)
    yield 'row_mean', control.row_mean(own)
    yield 'permuted', control.permuted(own, config.seed)
    yield CENTRE, control.centre(len(drive))
    for index in range(config.random_maps):
        yield f'{RANDOM}_{index}', control.random(len(drive), config.seed + index)


def _wanted(part: _Part, config: QualityConfig, own: bool) -> Frames:
    """Places of the frames whose maps are looked at, or lent to others as those from elsewhere."""
    every = np.arange(len(part.drive))
    if own or 'stream' in config.regimes:  # controls are made of the network's own maps
        return every
    elsewhere = every + frames_apart(len(every), part.drive.preprocessing.rate_hz)
    return np.union1d(part.frames, elsewhere[part.frames] % len(every))


def _sampled(
    network: Network, part: _Part, config: QualityConfig, costs: '_Costs'
) -> Iterator[tuple[str, Maps]]:
    """Maps of the sample, and the same ones from elsewhere."""
    drive, rate_hz = part.drive, part.drive.preprocessing.rate_hz
    for name in config.costly:
        explained = explain(drive, network, new_explainer(name, config.seed), part.sample)
        costs.add(name, explained, len(part.sample))
        maps = explained.saliency
        yield name, maps
        yield f'{name}_away', control.away_in_sample(maps, part.sample, len(drive), rate_hz)


class _Rows:
    """Collects what was measured."""

    def __init__(self, blur_px: float) -> None:
        self._blur_px = blur_px
        self._areas: list[pd.DataFrame] = []
        self._curves: list[pd.DataFrame] = []
        self._truth: list[pd.DataFrame] = []

    def add(self, part: _Part, name: str, config: DeletionConfig, made: Curves) -> None:
        """Note the curves of one method on one drive, where frames are tested."""
        inside = part.counts[made.frames]
        at = made.frames[inside]
        method = RANDOM if name.startswith(f'{RANDOM}_') else name
        about: dict[str, str] = {'regime': config.regime, 'mode': config.mode}
        filling = FEATURE if config.space == 'cells' else config.filling
        about |= {'filling': filling, 'method': method}
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

    def compare(self, part: _Part, method: str, maps: Maps, at: Frames) -> None:
        """Note how far maps of measured frames lie on the causal pixels, where these are known."""
        if part.covered is None:
            return
        covered = part.covered[np.isin(part.frames, at)]
        found = measure(maps, covered, blur_px=self._blur_px)._asdict()
        table = pd.DataFrame({**_place(part, at), 'method': method, **found})
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
