"""Five-fold cross-validation of a recipe on one real drive, beside what needs no network.

    python benchmarks/cross_validate.py RECIPE DRIVE --out RESULTS [--seeds 1] [--workers 2]

Blocks of 10 s are dealt to the folds in turn, 2 s are purged on each side of a test block. Every
run (a fold with a seed) is a process of its own with one thread; runs that are done are not done
again. Prints a table and writes it to RESULTS/metrics.json.
"""

import argparse
import dataclasses
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch

from signattn.cli import read_recipe
from signattn.drive import Drive, Split
from signattn.evaluate import (
    EvaluateConfig,
    Scored,
    evaluate,
    predict,
    score,
)
from signattn.model import load
from signattn.share import read_yaml, write_metrics
from signattn.train import describe_run, train

FOLDS = 5


def run(recipe: Path, drive_path: Path, folder: Path, fold: int, seed: int) -> dict[str, object]:
    """Train on four folds, score on the fifth."""
    drive = Drive(drive_path)
    split = Split('blocks', folds=FOLDS, fold=fold)
    config = dataclasses.replace(read_recipe(recipe), split=split, seed=seed, device='cpu')
    described = folder / 'run.yaml'
    if described.is_file() and read_yaml(described) != describe_run([[drive]], config):
        raise SystemExit(f'error: {folder} must be of this recipe and drive, got another run')
    done = folder / 'evaluation.json'
    if done.is_file():
        return json.loads(done.read_text())
    torch.set_num_threads(1)
    if not (folder / 'metrics.json').is_file():
        train([[drive]], folder, config)
    metrics, _ = evaluate(load(folder / 'model'), [drive], EvaluateConfig(part='apart'))
    write_metrics(done, metrics)
    return metrics


def pooled(drive: Drive, folder: Path, seeds: int) -> dict[str, object]:
    """Error over all frames, each predicted by the network that hadn't seen its block."""
    everything = np.isfinite(drive.column('curvature'))
    scored = []
    for seed in range(seeds):
        curvature = np.full(len(drive), np.nan)
        for fold in range(FOLDS):
            apart = Split('blocks', folds=FOLDS, fold=fold).parts(drive)[1]
            network = load(folder / f'fold{fold}-seed{seed}' / 'model').network
            curvature[apart] = predict(network, drive)[apart]
        scored.append(Scored(drive, everything, curvature))
    return score(scored, EvaluateConfig())


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('recipe', type=Path)
    parser.add_argument('drive', type=Path)
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--seeds', type=int, default=1)
    parser.add_argument('--workers', type=int, default=2)
    options = parser.parse_args()
    jobs = [(fold, seed) for seed in range(options.seeds) for fold in range(FOLDS)]
    with ProcessPoolExecutor(options.workers) as pool:
        futures = [
            pool.submit(
                run,
                options.recipe,
                options.drive,
                options.out / f'fold{fold}-seed{seed}',
                fold,
                seed,
            )
            for fold, seed in jobs
        ]
        rows = [future.result() for future in futures]
    keys = [
        key for key in rows[0] if key.startswith('mae_deg') and not key.endswith(('low', 'high'))
    ]
    print('| fold | seed | frames | ' + ' | '.join(keys) + ' |')
    print('|' + '---|' * (len(keys) + 3))
    for (fold, seed), row in zip(jobs, rows, strict=True):
        figures = ' | '.join(f'{row[key]:.2f}' for key in keys)
        print(f'| {fold} | {seed} | {row["frames"]} | {figures} |')
    frames = np.array([row['frames'] for row in rows])
    means = {key: float(np.average([row[key] for row in rows], weights=frames)) for key in keys}
    print('| all | | ' + f'{frames.sum()} | ' + ' | '.join(f'{means[k]:.2f}' for k in keys) + ' |')
    whole = pooled(Drive(options.drive), options.out, options.seeds)
    print(
        f'mae_deg {whole["mae_deg"]:.2f} [{whole["mae_deg_low"]:.2f}, {whole["mae_deg_high"]:.2f}]'
    )
    folds = [
        {'fold': fold, 'seed': seed, **row} for (fold, seed), row in zip(jobs, rows, strict=True)
    ]
    write_metrics(options.out / 'metrics.json', {**means, **whole, 'runs': folds})


if __name__ == '__main__':
    main()
