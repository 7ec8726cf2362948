"""What a run leaves: what it was, how it went, what came of it."""

import dataclasses
import itertools
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from torch.utils.tensorboard import SummaryWriter

import signattn
from signattn.drive import Drive
from signattn.model.checkpoint import DESCRIPTION
from signattn.share import read_yaml, write_text
from signattn.train.config import TrainConfig

RUN, METRICS, EPOCHS, STEPS = 'run.yaml', 'metrics.json', 'log.csv', 'steps.csv'
STATES, MODEL, BOARD, PICTURES = 'state', 'model', 'tensorboard', 'pictures'
_HEAD = 'step,epoch,loss\n'


def describe_run(folders: Sequence[Sequence[Drive]], config: TrainConfig) -> dict[str, Any]:
    """Everything needed to repeat a run.

    Args:
        folders: What it is trained on: the drives of each data folder.
        config: The recipe.

    Returns:
        What run.yaml holds, and the checkpoint under ``training``.
    """
    recipe = dataclasses.asdict(config)
    split = recipe.pop('split')
    recipe['start'] = None if config.start is None else str(config.start)
    recipe['shares'] = None if config.shares is None else list(config.shares)
    run: dict[str, Any] = {
        'recipe': recipe,
        'split': split,
        'drives': [
            {
                'name': drive.name,
                'frames': len(drive),
                'frames_sha256': drive.frames_sha256,
                'samples_sha256': drive.samples_sha256,
                # Only the first folder's drives are split.
                'split': index == 0,
            }
            for index, folder in enumerate(folders)
            for drive in folder
        ],
        'versions': {
            'signattn': signattn.__version__,
            'torch': str(torch.__version__),
            'python': platform.python_version(),
        },
    }
    if config.start is not None:
        run['start_sha256'] = read_yaml(config.start / DESCRIPTION)['weights']['sha256']
    return run


class Record:
    """The files of a run besides its states and its model, written as it goes."""

    def __init__(self, out: Path, run: Mapping[str, Any]) -> None:
        """Open the record.

        Args:
            out: Folder of the run.
            run: What ``describe_run`` says.
        """
        self._out = out
        self._run = run
        self._steps: Any = None
        self._board: Any = None

    def check_same(self) -> None:
        """Refuse to continue another run.

        Raises:
            ValueError: If the folder holds a run of another recipe or other drives.
        """
        path = self._out / RUN
        recorded = read_yaml(path) if path.is_file() else self._run
        changed = sorted(different(recorded, self._run))
        if not changed:
            return
        raise ValueError(
            f'{path} must be of this recipe and these drives to be resumed, got other '
            f'{", ".join(changed)}: name another --out, or leave --resume out'
        )

    def begin(self, step: int) -> None:
        """Start writing behind a step; what was written behind it before is forgotten.

        Args:
            step: Optimiser steps that are done, 0 for a new run.
        """
        write_text(self._out / RUN, yaml.safe_dump(dict(self._run), sort_keys=False))
        kept = ''
        if step:
            with (self._out / STEPS).open(encoding='utf-8') as lines:
                kept = ''.join(itertools.islice(lines, 1, 1 + step))
        write_text(self._out / STEPS, _HEAD + kept)
        self._steps = (self._out / STEPS).open('a', encoding='utf-8')
        self._board = SummaryWriter(str(self._out / BOARD), purge_step=step + 1)

    def step(
        self, step: int, epoch: int, loss: float, gates: Mapping[str, float] | None = None
    ) -> None:
        """Note the loss of a step, with all of its digits, and for TensorBoard what gates do."""
        self._steps.write(f'{step},{epoch},{loss!r}\n')
        self._board.add_scalar('loss', loss, step)
        for name, value in (gates or {}).items():
            self._board.add_scalar(f'gates/{name}', value, step)

    def epoch(self, step: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Note an epoch.

        Args:
            step: Optimiser steps so far.
            rows: One for each epoch so far, with the same keys.
        """
        lines = [','.join(rows[0])]
        lines += [
            ','.join('' if value is None else f'{value:.6g}' for value in row.values())
            for row in rows
        ]
        write_text(self._out / EPOCHS, '\n'.join(lines) + '\n')
        for name, value in rows[-1].items():
            if value is not None and name != 'epoch':
                self._board.add_scalar(f'epoch/{name}', value, step)

    def flush(self) -> None:
        """Put on disk what was noted."""
        self._steps.flush()
        self._board.flush()

    def close(self) -> None:
        """Close the files."""
        if self._steps is not None:
            self._steps.close()
            self._board.close()


def different(old: Mapping[str, Any], new: Mapping[str, Any]) -> set[str]:
    """Names of the keys whose values differ, those of mappings in mappings with dots.

    A start of the same weights is the same one wherever it lies.
    """
    names = set()
    if 'start_sha256' in old and 'start_sha256' in new:
        old, new = ({**run, 'recipe': {**run['recipe'], 'start': ''}} for run in (old, new))
    for key in old.keys() | new.keys():
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            names |= {f'{key}.{name}' for name in different(before, after)}
        elif before != after:
            names.add(key)
    return names
