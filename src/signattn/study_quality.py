"""How far the maps of a study's networks can be trusted: every run measured, variants compared."""

import dataclasses
import functools
import io
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
import yaml
from numpy.typing import NDArray

from signattn.drive import Drive
from signattn.intervals import (
    holm,
    seed_block_interval,
    seed_block_p,
    seed_block_ratio,
    seed_block_ratio_difference,
)
from signattn.model import Checkpoint, load
from signattn.quality import (
    GREEDY,
    GROUP,
    RANDOM,
    QualityConfig,
    measure_quality,
    summary,
    truth_summary,
)
from signattn.share import read_yaml, write_metrics, write_text, write_whole
from signattn.study import Run, StudyConfig, markdown, runs_of
from signattn.train.record import MODEL, different
from signattn.workers import processes, shared_out

FOLDER = 'quality'
"""Of a run and of a study; below it what was measured, by the measurement's name."""
AREAS, TRUTH, CURVES = 'areas.parquet', 'truth.parquet', 'curves.csv'
ABOUT = 'quality.yaml'
"""Written last: a run that has it is measured."""
NEED_ATTENTION = ('attention', 'causal_filtering')
"""Explainers that networks without attention do without."""
FIDELITY, EXCESS = 'fidelity_area_deg_percent', 'excess_area_deg_percent'
CONTEXT = [name for name in GROUP if name != 'method']
FRAME = ['block', 'drive', 'frame']

Floats = NDArray[np.float64]
Seeds = list[pd.DataFrame]
"""Of each seed, areas by block, drive and frame."""


class Measured(NamedTuple):
    """What was measured of a variant.

    Attributes:
        own: The method that the controls were made of: the network's own map, if it has one.
        areas: Of each seed, frame by frame; folds put together.
        truth: Likewise, how far the maps lie on what is causal; empty without masks.
    """

    own: str
    areas: list[pd.DataFrame]
    truth: list[pd.DataFrame]


def measure_study(
    study: StudyConfig,
    quality: QualityConfig,
    drives: Sequence[Drive],
    out: Path,
    *,
    name: str = 'maps',
    workers: int = 0,
    report: Callable[[int, int], None] = lambda _done, _all: None,
) -> dict[str, Any]:
    """Measure the runs of a finished study that aren't measured yet, and compare the variants.

    Args:
        study: What was compared; all of its runs are done.
        quality: What is measured. The part and the length of the blocks are the study's.
        drives: What the study was tested on: the drives of its first data folder, or with
            ``folds: 0`` those apart.
        out: Folder of the study.
        name: Of the measurement; those of other names stay as they are.
        workers: Runs side by side, each on one core; 0 for one a core.
        report: Called with the number of runs that are measured and of all.

    Returns:
        ``explanations``, and with masks ``truth``: lines as ``compare_quality`` and
        ``compare_truth`` give them. ``quality/NAME.json`` in the study's folder says the same,
        ``quality/NAME.md`` as tables.

    Raises:
        ValueError: If a run is measured in another way.
    """
    part: Any = 'apart' if study.folds else 'all'
    quality = dataclasses.replace(quality, part=part, block_s=study.block_s)
    asked = _asked(quality, drives)
    runs = runs_of(study)
    missing = [run for run in runs if not _is_measured(out / run.folder, name, asked)]
    report(len(runs) - len(missing), len(runs))
    workers, threads = shared_out(workers)
    paths = tuple(drive.path for drive in drives)
    with processes(workers) as pool:
        measuring = [
            pool.submit(measure_run, out / run.folder, quality, paths, name, threads)
            for run in missing
        ]
        try:
            for count, done in enumerate(as_completed(measuring), len(runs) - len(missing) + 1):
                done.result()
                report(count, len(runs))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    measured = {variant: read_measured(study, variant, out, name) for variant in study.variants}
    found: dict[str, Any] = {'explanations': compare_quality(measured)}
    if quality.masks is not None:
        found['truth'] = compare_truth(measured)
    write_metrics(out / FOLDER / f'{name}.json', found)
    write_text(out / FOLDER / f'{name}.md', tables(found))
    return found


def measure_run(
    folder: Path, quality: QualityConfig, paths: Sequence[Path], name: str, threads: int = 1
) -> None:
    """Measure the network of one run.

    Args:
        folder: Of the run; what is measured lies below it, in ``quality/NAME``.
        quality: What is measured; a network without attention does without what needs it.
        paths: Drives.
        name: Of the measurement.
        threads: Of this process.
    """
    torch.set_num_threads(threads)
    checkpoint, drives = load(folder / MODEL), [Drive(path) for path in paths]
    asked, quality = _asked(quality, drives), fitting(quality, checkpoint)
    made = measure_quality(checkpoint, drives, quality)
    place = folder / FOLDER / name
    about = asked | {
        'weights_sha256': checkpoint.checksum,
        'own': quality.explainers[0],
        'costs': made.costs,
    }
    write_text(place / CURVES, made.curves.to_csv(index=False))
    write_whole(place / TRUTH, _parquet(made.truth))
    write_whole(place / AREAS, _parquet(made.areas))
    write_text(place / ABOUT, yaml.safe_dump(about, sort_keys=False))


def fitting(quality: QualityConfig, checkpoint: Checkpoint) -> QualityConfig:
    """What can be measured of a network: without attention it has no map of its own.

    Args:
        quality: What is asked for.
        checkpoint: The network.

    Returns:
        The same with the explainers that can explain it.

    Raises:
        ValueError: If none is left.
    """
    if checkpoint.network.attention is not None:
        return quality
    left = tuple(name for name in quality.explainers if name not in NEED_ATTENTION)
    if not left:
        raise ValueError(
            f'explainers must name one that needs no attention for {checkpoint.name}, which has '
            f'none, got {", ".join(quality.explainers)}: add gradcam'
        )
    costly = tuple(name for name in quality.costly if name not in NEED_ATTENTION)
    return dataclasses.replace(quality, explainers=left, costly=costly)


def _asked(quality: QualityConfig, drives: Sequence[Drive]) -> dict[str, Any]:
    """What decides the numbers, in plain values."""
    options = dataclasses.asdict(quality)
    options.pop('device')
    return {
        'measured': json.loads(json.dumps(options, default=str)),
        'drives': [drive.frames_sha256 for drive in drives],
        'samples': [drive.samples_sha256 for drive in drives],
    }


def _is_measured(folder: Path, name: str, asked: Mapping[str, Any]) -> bool:
    """Whether a run's network was measured, and in the way that is asked for."""
    path = folder / FOLDER / name / ABOUT
    if not path.is_file():
        return False
    recorded = read_yaml(path)
    if recorded.pop('weights_sha256') != _weights(folder):
        return False  # trained again since
    # What came into the file since it was written is no matter.
    known = {key: value for key, value in asked.items() if key in recorded}
    changed = sorted(different({key: recorded[key] for key in known}, known))
    if changed:
        raise ValueError(
            f'{path} must be measured as the others to be compared, got other '
            f'{", ".join(changed)}: remove {path.parent} to measure it again'
        )
    return True


def _weights(folder: Path) -> str:
    return str(read_yaml(folder / MODEL / 'model.yaml')['weights']['sha256'])


def _parquet(table: pd.DataFrame) -> bytes:
    file = io.BytesIO()
    table.to_parquet(file, index=False)
    return file.getvalue()


def read_measured(study: StudyConfig, variant: str, out: Path, name: str = 'maps') -> Measured:
    """What was measured of a variant.

    Args:
        study: What was compared.
        variant: Which variant.
        out: Folder of the study.
        name: Of the measurement.

    Returns:
        Areas and truth of each seed.
    """
    folders = [
        [out / Run(variant, fold, seed).folder / FOLDER / name for fold in range(study.folds or 1)]
        for seed in range(study.seeds)
    ]
    areas, truth = (
        [pd.concat([pd.read_parquet(fold / file) for fold in folds]) for folds in folders]
        for file in (AREAS, TRUTH)
    )
    return Measured(str(read_yaml(folders[0][0] / ABOUT)['own']), areas, truth)


def compare_quality(measured: Mapping[str, Measured]) -> list[dict[str, Any]]:
    """Areas of every variant and method with intervals over seeds and blocks, and paired ratios.

    Seeds and frames of a ratio are the same above and below. Only two hypotheses have a p, both
    about the network's own map, corrected by Holm's method over variants, regimes, modes and
    fillings: that its fidelity area is that of the first variant's own map (``p_reference``), and
    that of its own map from elsewhere (``p_away``).

    Args:
        measured: By variant; the first one is what the others are compared with.

    Returns:
        A line for each variant, regime, mode, filling and method: what ``summary`` says, and
        ``reference_ratio``, its fidelity area by that of the first variant's own map;
        ``fidelity_difference_deg_percent`` and ``excess_difference_deg_percent``, its areas less
        that map's; ``share_difference``, likewise of ``share`` where there is one, on the sample:
        that is how networks are compared; ``own_ratio``, the fidelity area of the network's own
        map by its.
    """
    reference = next(iter(measured.values()))
    first, lines = _by_frame(reference), list[dict[str, Any]]()
    for variant, found in measured.items():
        areas = _by_frame(found)
        for line in summary(found.areas):
            context = tuple(line[name] for name in CONTEXT)
            this, own = areas[context, line['method']], areas[context, found.own]
            made = {'variant': variant, **line, 'own': line['method'] == found.own}
            if found is not reference or not made['own']:
                made |= _against(this, first[context, reference.own])
                if 'share' in line:
                    ends = [areas[context, end] for end in (RANDOM, GREEDY)]
                    others = [first[context, end] for end in (reference.own, RANDOM, GREEDY)]
                    made |= _share_difference(this, *ends, *others)
            if not made['own']:
                made |= _ratio('own_ratio', own, this)
            else:
                made['p_away'] = _p(own, areas[context, 'away'])
                if found is not reference:
                    made['p_reference'] = _p(own, first[context, reference.own])
            lines.append(made)
    for name in ('p_reference', 'p_away'):
        _correct(lines, name)
    return lines


def _by_frame(found: Measured) -> dict[tuple[tuple[str, ...], str], Seeds]:
    """Areas of each seed, frame by frame, by context and method."""
    grouped: dict[tuple[tuple[str, ...], str], Seeds] = {}
    for seed in found.areas:
        for key, rows in seed.set_index(FRAME).groupby([*CONTEXT, 'method'], sort=False):
            *context, method = map(str, key)
            grouped.setdefault((tuple(context), method), []).append(rows)
    return grouped


def _paired(area: str, *many: Seeds) -> tuple[list[Floats], NDArray[np.int64]]:
    """Areas (S, M) of each on the frames that all have, and the frames' blocks (M,)."""
    known = [[each[area].dropna() for each in seeds] for seeds in many]
    indices = [each.index for each in itertools.chain(*known)]
    frames = functools.reduce(pd.Index.intersection, indices).sort_values()
    found = [np.stack([each.loc[frames] for each in seeds]) for seeds in known]
    return found, frames.get_level_values('block').to_numpy(np.int64)


def _against(this: Seeds, reference: Seeds) -> dict[str, float | None]:
    """Ratio and differences to the reference."""
    made = _ratio('reference_ratio', this, reference)
    for name, area in (('fidelity', FIDELITY), ('excess', EXCESS)):
        (one, other), blocks = _paired(area, this, reference)
        difference = seed_block_interval(one - other, blocks)
        made |= difference.named(f'{name}_difference_deg_percent')
    return made


def _ratio(name: str, above: Seeds, below: Seeds) -> dict[str, float | None]:
    (one, other), blocks = _paired(FIDELITY, above, below)
    return seed_block_ratio(one, other, blocks).named(name)


def _share_difference(*of_both: Seeds) -> dict[str, float | None]:
    """Of a map, random and greedy ones of one network, less the same of another."""
    (this, floor, top, that, other_floor, other_top), blocks = _paired(FIDELITY, *of_both)
    difference = seed_block_ratio_difference(
        (this - floor, top - floor), (that - other_floor, other_top - other_floor), blocks
    )
    return difference.named('share_difference')


def _p(one: Seeds, other: Seeds) -> float:
    (first, second), blocks = _paired(FIDELITY, one, other)
    return seed_block_p(first - second, blocks)


def _correct(lines: Sequence[dict[str, Any]], name: str) -> None:
    """Put Holm's p in the place of the plain ones."""
    chosen = [line for line in lines if name in line]
    corrected = holm(np.array([line[name] for line in chosen]))
    for line, p in zip(chosen, corrected, strict=True):
        line[name] = float(p)


def compare_truth(measured: Mapping[str, Measured]) -> list[dict[str, Any]]:
    """How far the maps of every variant lie on the causal pixels.

    Args:
        measured: By variant, with truth.

    Returns:
        A line for each variant and method: what ``truth_summary`` says.
    """
    return [
        {'variant': variant, **line}
        for variant, found in measured.items()
        for line in truth_summary(found.truth)
    ]


def tables(found: Mapping[str, Any]) -> str:
    """The comparison as Markdown.

    Args:
        found: As ``measure_study`` gives it.

    Returns:
        A table for each regime, mode and filling; with masks one more.
    """
    parts = []
    lines = found['explanations']
    for context in dict.fromkeys(tuple(line[name] for name in CONTEXT) for line in lines):
        chosen = [line for line in lines if tuple(line[name] for name in CONTEXT) == context]
        plain = [_without(line, (*CONTEXT, 'own')) for line in chosen]
        parts += [f'## {", ".join(context)}', markdown(plain)]
    if 'truth' in found:
        parts += ['## Causal pixels', markdown(found['truth'])]
    parts.append(
        'Areas in deg·%. reference_ratio and differences: fidelity area by, and areas and share '
        'less, those of the own map of the first variant; own_ratio: fidelity area of the own map '
        'of the same network by this one. In brackets 95 %, bootstrap over seeds and blocks; p by '
        'the same bootstrap, after Holm.\n'
    )
    return '\n\n'.join(parts)


def _without(line: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key not in keys}
