"""A study along an axis, from the training to the figures."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signattn.drive import Drive
from signattn.intervals import welch
from signattn.quality import QualityConfig
from signattn.share import write_metrics, write_text
from signattn.study import Recipe, Run, StudyConfig, extent, markdown, run_study
from signattn.study_quality import (
    AREAS,
    CONTEXT,
    FOLDER,
    Measured,
    measure_study,
    read_measured,
)
from signattn.sweep.figures import area_figures, error_figure, save
from signattn.sweep.maps import map_figure
from signattn.train.record import MODEL

AXES = {'bits': 'network.bits', 'temperature': 'network.temperature', 'attention': None}
"""What is varied, and the option whose values are the axis; without one variants stand apart."""

NAME = 'sweep'  # of the measurement of maps
SHOWN = 3
"""Pictures whose maps are drawn."""
_AUC = 'auc_deg_percent'

Report = Callable[[str, int, int], None]


def run_sweep(
    axis: str,
    study: StudyConfig,
    quality: QualityConfig,
    recipe: Recipe,
    folders: Sequence[Sequence[Drive]],
    test: Sequence[Drive],
    out: Path,
    *,
    before: Path | None = None,
    workers: int = 0,
    report: Report = lambda _what, _done, _all: None,
) -> dict[str, Any]:
    """Train, score and measure what is missing, compare and draw.

    Args:
        axis: One of ``AXES``.
        study: The variants; one without a value on the axis is drawn as a reference.
        quality: How the maps are measured.
        recipe: The shared recipe with some of its values changed.
        folders: The drives of each data folder.
        test: Drives to test on; none with folds.
        out: Folder of the sweep: what is done in it is not done again.
        before: Folder of an earlier study, for a ``start`` that names one.
        workers: Runs side by side; 0 for one a core.
        report: Called with what is done, how many of them, and of how many.

    Returns:
        What metrics.json says; ``table.md`` and ``figures`` beside it.

    Raises:
        ValueError: If fewer than two variants have a value on the axis, and as ``run_study`` and
            ``measure_study``.
    """
    values = axis_values(axis, study)

    def training(done: int, total: int) -> None:
        report('training', done, total)

    def measuring(done: int, total: int) -> None:
        report('measuring maps', done, total)

    trained = run_study(
        study, recipe, folders, test, out, before=before, workers=workers, report=training
    )
    drives = list(test or folders[0])
    explained = measure_study(
        study, quality, drives, out, name=NAME, workers=workers, report=measuring
    )
    measured = {variant: read_measured(study, variant, out, NAME) for variant in study.variants}
    metrics = {'axis': axis, 'values': values} | trained | explained
    metrics['welch'] = welch_pairs(measured)
    write_metrics(out / 'metrics.json', metrics)
    write_text(out / 'table.md', table(metrics))
    pictures = out / 'figures'
    save(error_figure(metrics), pictures / 'error')
    for name, figure in area_figures(metrics).items():
        save(figure, pictures / name)
    runs = [out / Run(variant, 0, 0).folder for variant in study.variants]
    models = {variant: run / MODEL for variant, run in zip(study.variants, runs, strict=True)}
    save(map_figure(models, drives[0], _shown(runs[0], drives[0])), pictures / 'maps')
    return metrics


def axis_values(axis: str, study: StudyConfig) -> dict[str, float | None]:
    """Where each variant stands on the axis.

    Args:
        axis: One of ``AXES``.
        study: The variants.

    Returns:
        Values by variant, None for a reference; all None where variants stand apart.

    Raises:
        ValueError: If fewer than two variants have a value.
    """
    option = AXES[axis]
    values = {
        name: None if option is None else (changes or {}).get(option)
        for name, changes in study.variants.items()
    }
    if option is not None and len({*values.values()} - {None}) < 2:
        raise ValueError(
            f'variants must give {option} two values at least to be swept, got {values}'
        )
    return values


def welch_pairs(measured: Mapping[str, Measured]) -> list[dict[str, Any]]:
    """Welch's test of raw areas of own maps, frame by frame, as in the paper.

    It takes frames for independent, which they aren't: for parity only.

    Args:
        measured: By variant.

    Returns:
        A line for each regime, mode, filling and pair of variants: ``one``, ``other``, ``p``; the
        areas are means over seeds.
    """
    areas = {variant: _own_areas(found) for variant, found in measured.items()}
    return [
        dict(zip(CONTEXT, context, strict=True))
        | {'one': one, 'other': other, 'p': welch(areas[one][context], areas[other][context])}
        for context in next(iter(areas.values()))
        for one, other in itertools.combinations(areas, 2)
    ]


def _own_areas(found: Measured) -> dict[tuple[str, ...], NDArray[np.float64]]:
    """Raw areas of the own map, (M,), means over seeds, by context."""
    table = pd.concat(found.areas)
    own = table[table['method'] == found.own].dropna(subset=[_AUC])
    means = own.groupby([*CONTEXT, 'drive', 'frame'], sort=False)[_AUC].mean()
    grouped = means.groupby(CONTEXT, sort=False)
    return {tuple(map(str, key)): rows.to_numpy(float) for key, rows in grouped}


def own_lines(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One line for each variant and way of measuring: its error, and what its own map says.

    Args:
        metrics: As ``run_sweep`` gives them.

    Returns:
        The lines, with Welch's p against the first variant.
    """
    lines = []
    for line in metrics['explanations']:
        if not line['own']:
            continue
        about = metrics['variants'][line['variant']]
        error = {key: about[key] for key in ('mae_deg', 'mae_deg_low', 'mae_deg_high')}
        rest = {key: value for key, value in line.items() if key not in ('variant', 'own')}
        lines.append({'variant': line['variant'], **error, **rest} | _against_first(line, metrics))
    return lines


def _against_first(line: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, float]:
    first = next(iter(metrics['variants']))
    for pair in metrics['welch']:
        same = all(pair[name] == line[name] for name in CONTEXT)
        if same and (pair['one'], pair['other']) == (first, line['variant']):
            return {'p_welch': pair['p']}
    return {}


def table(metrics: Mapping[str, Any]) -> str:
    """The sweep as Markdown.

    Args:
        metrics: As ``run_sweep`` gives them.

    Returns:
        One table.
    """
    about = (
        f'{extent(metrics)}. Areas in deg·%. reference_ratio: fidelity area by that of the first '
        'variant. In brackets 95 %, bootstrap over seeds and blocks; p_away and '
        'p_reference by the same bootstrap, after Holm; p_welch against the first variant, raw '
        'areas, frames taken for independent, as in the paper.'
    )
    return f'{markdown(own_lines(metrics))}\n\n{about}\n'


def _shown(folder: Path, drive: Drive) -> NDArray[np.int64]:
    """Pictures of a drive, spread evenly over what was measured of it in a run."""
    areas = pd.read_parquet(folder / FOLDER / NAME / AREAS)
    inside = np.sort(areas[areas['drive'] == drive.name]['frame'].unique())
    spread = np.linspace(0, len(inside) - 1, SHOWN + 2).round().astype(int)[1:-1]
    return np.unique(inside[spread])
