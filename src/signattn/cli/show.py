"""What a person sees: progress, tables, warnings."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_UNBOUND = 100_000  # characters


class Bar:
    """A progress bar on stderr; silent where that is no terminal."""

    def __init__(self, text: str, total: int | None) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(text, total=total)
        self._text = text

    def __enter__(self) -> Callable[..., None]:
        self._progress.start()
        return self.update

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, done: int, total: int | None = None, text: str | None = None) -> None:
        """Show how far it is."""
        self._progress.update(
            self._task, completed=done, total=total, description=text or self._text
        )


def warn(text: str) -> None:
    """Print a warning on stderr."""
    print(f'warning: {text}', file=sys.stderr)


def print_table(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    """Print rows; a key that a row lacks stays empty."""
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    keys = dict.fromkeys(key for row in rows for key in row)
    table = Table(*keys, box=None)
    for row in rows:
        table.add_row(*(_cell(row.get(key, '')) for key in keys))
    # As wide as it is: a narrow terminal wraps whole lines; narrow columns would lose digits.
    unbound = Console(width=_UNBOUND)
    Console(width=max(1, unbound.measure(table).maximum)).print(table, soft_wrap=True)


def print_columns(metrics: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one metric a line."""
    if as_json:
        print(json.dumps(metrics, indent=2))
        return
    width = max(len(key) for key in metrics)
    for key, value in metrics.items():
        print(f'  {key:{width}}  {_cell(value)}')


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f'{value:.5g}'
    return os.fspath(value) if isinstance(value, Path) else str(value)
