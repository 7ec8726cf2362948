"""Many trainings as one: variants × folds × seeds, scored on what none of them saw."""

import dataclasses
import io
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from signattn.drive import Drive, Split
from signattn.evaluate import (
    EvaluateConfig,
    Scored,
    blocks_of,
    errors_deg,
    evaluate,
)
from signattn.intervals import seed_block_interval
from signattn.model import load
from signattn.share import from_mapping, read_yaml, write_metrics, write_text, write_whole
from signattn.train import TrainConfig, describe_run, train
from signattn.train.record import METRICS, RUN, different
from signattn.workers import processes, shared_out

RESULT = 'evaluation.json'
"""Written last: a run that has it is done."""
BEFORE = 'before/'
"""Ahead of the name of a variant: that of an earlier study."""

Floats = NDArray[np.float64]
Recipe = Callable[[Mapping[str, Any]], TrainConfig]
"""Gives the recipe with some of its values changed, named as on the command line."""


@dataclass(frozen=True)
class StudyConfig:
    """What is compared.

    Attributes:
        recipe: The recipe that all share: a file, relative to the study's own place.
        variants: Name of each variant, and what it changes in the recipe, named as on the command
            line. ``start`` names another variant: the run of the same fold and seed whose weights
            are the first ones; ``before/NAME`` that of an earlier study without folds, of the
            same seed. The first variant is the one that the others are compared with.
        folds: Folds over blocks of the first data folder's drives, each tested on what the others
            trained on; 0 to test on drives apart from those that are trained on.
        seeds: Seeds 0 to this, without it; each variant has the same ones.
        block_s: s; blocks of the folds and of the bootstrap.
        purge_s: s on each side of a test block that nobody uses.
    """

    recipe: Path
    variants: dict[str, dict[str, Any]] = field(default_factory=lambda: {'recipe': {}})
    folds: int = 5
    seeds: int = 5
    block_s: float = 10.0
    purge_s: float = 2.0

    def __post_init__(self) -> None:
        """Refuse studies of nothing."""
        if not self.variants:
            raise ValueError('variants must name at least one, got none')
        if self.folds < 0 or self.folds == 1:
            raise ValueError(f'folds must be 0 or at least 2, got {self.folds}')
        if self.seeds < 1:
            raise ValueError(f'seeds must be at least 1, got {self.seeds}')
        for name, changes in self.variants.items():
            start = (changes or {}).get('start')
            earlier = str(start).startswith(BEFORE)
            if start is not None and not earlier and start not in self.variants:
                known = ', '.join(self.variants)
                raise ValueError(f'start of {name} must be a variant ({known}), got {start!r}')
        for name in self.variants:
            self._refuse_circle(name)

    def start_of(self, variant: str) -> str | None:
        """The variant of this study whose runs this one's begin from."""
        start: str | None = (self.variants[variant] or {}).get('start')
        return None if start is None or start.startswith(BEFORE) else start

    def _refuse_circle(self, variant: str) -> None:
        passed = [variant]
        while (start := self.start_of(passed[-1])) is not None:
            passed.append(start)
            if start == variant or len(passed) > len(self.variants):
                raise ValueError(f'start must not lead back, got {" → ".join(passed)}')


@dataclass(frozen=True)
class Run:
    """One training of a study.

    Attributes:
        variant: Which variant.
        fold: Which fold is kept apart, from 0.
        seed: Which seed.
    """

    variant: str
    fold: int
    seed: int

    @property
    def folder(self) -> str:
        """Where it lies below the study."""
        return f'{self.variant}/fold{self.fold}-seed{self.seed}'


@dataclass(frozen=True)
class Place:
    """What all runs of a study share.

    Attributes:
        out: The study's folder.
        data: Paths of the drives of each data folder.
        test: Paths of the drives that are tested on; empty with folds.
        threads: Threads of each run.
    """

    out: Path
    data: tuple[tuple[Path, ...], ...]
    test: tuple[Path, ...]
    threads: int


def run_study(
    config: StudyConfig,
    recipe: Recipe,
    folders: Sequence[Sequence[Drive]],
    test: Sequence[Drive],
    out: Path,
    *,
    before: Path | None = None,
    workers: int = 0,
    report: Callable[[int, int], None] = lambda _done, _all: None,
) -> dict[str, Any]:
    """Train and score what is missing, and compare.

    Args:
        config: What is compared.
        recipe: The shared recipe with some of its values changed.
        folders: The drives of each data folder.
        test: Drives to test on; none with folds.
        out: Folder of the study; runs in it that are done are not done again, those that broke
            off are continued.
        before: Folder of an earlier study, for a ``start`` that names one.
        workers: Runs side by side; 0 for one a core.
        report: Called with the number of runs that are done and of all.

    Returns:
        What metrics.json says; ``table.md`` beside it.

    Raises:
        ValueError: If the drives and the study don't go together, a variant contradicts itself,
            or the folder holds another study's runs.
    """
    if bool(test) == bool(config.folds):
        what = 'none with folds' if config.folds else 'at least one without folds'
        raise ValueError(f'drives to test on must be {what}, got {len(test)}')
    _refuse_seen(folders, test)
    workers, threads = shared_out(workers)
    place = Place(
        out,
        tuple(tuple(drive.path for drive in folder) for folder in folders),
        tuple(drive.path for drive in test),
        threads,
    )
    recipes = {run: _recipe(config, recipe, run, out, before) for run in runs_of(config)}
    done = {run for run in recipes if (out / run.folder / RESULT).is_file()}
    for run in done:
        _refuse_other(out / run.folder / RUN, describe_run(folders, recipes[run]))
    with processes(workers) as pool:
        _run_all(pool, workers, config, recipes, place, report, done)
    metrics = compare(config, list(folders[0]), list(test), out)
    write_metrics(out / 'metrics.json', metrics)
    write_text(out / 'table.md', table(metrics))
    return metrics


def _refuse_seen(folders: Sequence[Sequence[Drive]], test: Sequence[Drive]) -> None:
    trained = {drive.frames_sha256: drive.path for folder in folders for drive in folder}
    for drive in test:
        if drive.frames_sha256 in trained:
            raise ValueError(
                f'drives to test on must not be trained on, got {drive.path}, which is '
                f'{trained[drive.frames_sha256]}'
            )


def _refuse_other(path: Path, asked: Mapping[str, Any]) -> None:
    """Refuse a run that is done with another recipe; what came into recipes since is no matter."""
    kept = ('recipe', 'split', 'drives', 'start_sha256')
    recorded = {key: value for key, value in read_yaml(path).items() if key in kept}
    changed = sorted(different(recorded, _shared(asked, recorded)))
    if changed:
        raise ValueError(
            f'{path} must be of this study to be compared, got other {", ".join(changed)}: name '
            'another --out'
        )


def _shared(mapping: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """What a mapping says to the keys of another one."""
    return {
        key: _shared(mapping[key], value) if isinstance(value, dict) else mapping[key]
        for key, value in other.items()
        if key in mapping
    }


def runs_of(config: StudyConfig) -> list[Run]:
    """All runs; those of the first seeds first, so that half a study says something.

    Args:
        config: What is compared.

    Returns:
        The runs, in the order in which they are done.
    """
    return [
        Run(variant, fold, seed)
        for seed in range(config.seeds)
        for fold in range(config.folds or 1)
        for variant in config.variants
    ]


def _recipe(
    config: StudyConfig, recipe: Recipe, run: Run, out: Path, before: Path | None
) -> TrainConfig:
    changes = dict(config.variants[run.variant] or {})
    start = changes.pop('start', None)
    if start is not None and start.startswith(BEFORE):
        if before is None:
            raise ValueError(
                f'before must be the folder of a study, since start of {run.variant} is {start}, '
                'got none: name it with --before'
            )
        first = before / Run(start.removeprefix(BEFORE), 0, run.seed).folder
        changes['start'] = str(first / 'model')
    elif start is not None:
        changes['start'] = str(out / Run(start, run.fold, run.seed).folder / 'model')
    split = Split('none')
    if config.folds:
        split = Split(
            'blocks',
            folds=config.folds,
            fold=run.fold,
            block_s=config.block_s,
            purge_s=config.purge_s,
        )
    made = recipe(changes)
    if made.split.validate and config.folds:
        split = dataclasses.replace(split, validate=True)
    return dataclasses.replace(made, split=split, seed=run.seed, name=run.variant)


def _run_all(
    pool: Executor,
    workers: int,
    config: StudyConfig,
    recipes: Mapping[Run, TrainConfig],
    place: Place,
    report: Callable[[int, int], None],
    done: set[Run],
) -> None:
    """Every run that isn't done, once those are done that it begins from.

    No more are handed over than can be done at once: those that follow from another keep their
    place in the order, and when one fails nothing but what is under way has to end.
    """
    waiting = [run for run in recipes if run not in done]
    under_way: dict[Future[None], Run] = {}
    report(len(done), len(recipes))
    while waiting or under_way:
        ready = [run for run in waiting if _is_ready(config, run, done)]
        for run in ready[: workers - len(under_way)]:
            waiting.remove(run)
            under_way[pool.submit(do_run, run, recipes[run], place)] = run
        finished, _ = wait(under_way, return_when=FIRST_COMPLETED)
        for future in finished:
            future.result()
            done.add(under_way.pop(future))
        report(len(done), len(recipes))


def _is_ready(config: StudyConfig, run: Run, done: set[Run]) -> bool:
    start = config.start_of(run.variant)
    return start is None or Run(start, run.fold, run.seed) in done


def do_run(run: Run, recipe: TrainConfig, place: Place) -> None:
    """Train and score one run, if that isn't done yet.

    Args:
        run: Which.
        recipe: Its recipe.
        place: Where everything is.
    """
    folder = place.out / run.folder
    if (folder / RESULT).is_file():
        return
    torch.set_num_threads(place.threads)
    folders = [[Drive(path) for path in paths] for paths in place.data]
    train(folders, folder, recipe, resume=True)
    part: Literal['all', 'apart'] = 'all' if place.test else 'apart'
    tested = [Drive(path) for path in place.test] or folders[0]
    metrics, scored = evaluate(
        load(folder / 'model'), tested, EvaluateConfig(part=part, device=recipe.device)
    )
    answers = np.concatenate([np.where(item.part, item.curvature, np.nan) for item in scored])
    write_whole(folder / 'answers.npy', _npy(answers))
    write_metrics(folder / RESULT, metrics)


def compare(
    config: StudyConfig, trained: list[Drive], test: list[Drive], out: Path
) -> dict[str, Any]:
    """Errors of all variants with intervals over seeds and blocks, and paired differences.

    Args:
        config: What is compared.
        trained: Drives of the first data folder.
        test: Drives that were tested on; empty with folds.
        out: The study's folder, all runs done.

    Returns:
        One entry for each variant under ``variants``, with units in the keys.
    """
    drives = test or trained
    errors = {name: _errors(config, name, drives, out) for name in config.variants}
    known = np.isfinite(np.concatenate(list(errors.values()))).all(0)
    blocks = np.concatenate(
        [blocks_of(drive, index, config.block_s) for index, drive in enumerate(drives)]
    )[known]
    errors = {name: values[:, known] for name, values in errors.items()}
    first = errors[next(iter(errors))]
    variants = {}
    for name, values in errors.items():
        entry: dict[str, float | None] = seed_block_interval(values, blocks).named('mae_deg')
        if values is not first:
            entry |= seed_block_interval(values - first, blocks).named('difference_deg')
        entry.update(_means(config, name, out))
        variants[name] = entry
    return {
        'seeds': config.seeds,
        'folds': config.folds,
        'frames': int(known.sum()),
        'blocks': len(np.unique(blocks)),
        'variants': variants,
    }


def table(metrics: Mapping[str, Any]) -> str:
    """The comparison as Markdown.

    Args:
        metrics: As ``compare`` gives it.

    Returns:
        The table, a line for each variant.
    """
    rows = [{'variant': name, **entry} for name, entry in metrics['variants'].items()]
    about = 'in brackets 95 %, bootstrap over seeds and blocks.'
    return f'{markdown(rows)}\n\n{extent(metrics)}; {about}\n'


def extent(metrics: Mapping[str, Any]) -> str:
    """How much a comparison rests on.

    Args:
        metrics: As ``compare`` gives it.

    Returns:
        Seeds, folds or drives of their own, frames and blocks.
    """
    where = f'{metrics["folds"]} folds' if metrics['folds'] else 'tested on other drives'
    much = f'{metrics["frames"]} frames in {metrics["blocks"]} blocks'
    return f'{metrics["seeds"]} seeds, {where}, {much}'


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table; bounds of an interval, ``NAME_low`` and ``NAME_high``, stand behind their mean.

    Args:
        rows: Values by column; a row may lack some.

    Returns:
        The table, without a line break at its end.
    """
    columns = dict.fromkeys(key for row in rows for key in row)
    shown = [key for key in columns if not key.endswith(('_low', '_high'))]
    cells = [shown, *([_cell(row, key) for key in shown] for row in rows)]
    head, *lines = (f'| {" | ".join(line)} |' for line in cells)
    return '\n'.join([head, '|' + '---|' * len(shown), *lines])


def _cell(entry: Mapping[str, Any], key: str) -> str:
    if entry.get(key) is None:
        return ''
    text = f'{entry[key]:.3g}' if isinstance(entry[key], float) else str(entry[key])
    low, high = entry.get(f'{key}_low'), entry.get(f'{key}_high')
    return text if low is None else f'{text} [{low:.3g}, {high:.3g}]'


def _errors(config: StudyConfig, variant: str, drives: list[Drive], out: Path) -> Floats:
    """(seeds, frames) in degrees; each frame by the network that didn't train on it."""
    rows = []
    for seed in range(config.seeds):
        answers = np.full(sum(map(len, drives)), np.nan)
        for fold in range(config.folds or 1):
            found = np.load(out / Run(variant, fold, seed).folder / 'answers.npy')
            answers = np.where(np.isfinite(found), found, answers)
        parts = np.split(answers, np.cumsum([len(drive) for drive in drives])[:-1])
        lead_s = _lead(out / Run(variant, 0, seed).folder)
        rows.append(
            np.concatenate(
                [
                    errors_deg(Scored(drive, np.ones(len(drive), bool), part, lead_s))
                    for drive, part in zip(drives, parts, strict=True)
                ]
            )
        )
    return np.stack(rows)


def _lead(folder: Path) -> float:
    """How much later the curvature is driven that a run's network predicts, s."""
    return float(read_yaml(folder / RUN)['recipe']['target_lead_s'])


def _means(config: StudyConfig, variant: str, out: Path) -> dict[str, float]:
    """Means over the runs of what each evaluation says besides, and of their validation."""
    rows = []
    for seed in range(config.seeds):
        for fold in range(config.folds or 1):
            folder = out / Run(variant, fold, seed).folder
            row = json.loads((folder / RESULT).read_text())
            validated = json.loads((folder / METRICS).read_text()).get('mae_deg')
            rows.append(row | {'mae_deg_validation': validated})
    frames = [row['frames'] for row in rows]
    names = [name for name in rows[0] if name.startswith('mae_deg_')]
    names = [name for name in names if not name.endswith(('_low', '_high'))]
    return {
        name: float(np.average([row[name] for row in rows], weights=frames))
        for name in names
        if all(row.get(name) is not None for row in rows)
    }


def _npy(values: Floats) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def read_study(path: Path, mapping: Mapping[str, Any]) -> StudyConfig:
    """A study from its file.

    Args:
        path: The file, for errors, and since the recipe lies relative to it.
        mapping: What it says.

    Returns:
        The study.

    Raises:
        ValueError: If a key is unknown or a value wrong.
    """
    config = from_mapping(StudyConfig, dict(mapping), str(path))
    return dataclasses.replace(config, recipe=path.parent / config.recipe)
