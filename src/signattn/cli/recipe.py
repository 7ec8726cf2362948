"""Recipes of trainings, read as the command line reads them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signattn.cli.options import add_options, build, new_parser, parse

if TYPE_CHECKING:
    from signattn.train import TrainConfig


def read_recipe(path: Path, changes: Mapping[str, Any] | None = None) -> 'TrainConfig':
    """A recipe as ``signattn train --config`` reads it.

    Args:
        path: The YAML file.
        changes: Values that override the file's, named as on the command line, without --.

    Returns:
        The recipe.

    Raises:
        ValueError: If it has an unknown key or a wrong value.
    """
    from signattn.train import TrainConfig

    parser = new_parser('train')
    parser.add_argument('--config', action='config')
    add_options(parser, TrainConfig)
    options = [f'--{name}={_spelt(value)}' for name, value in (changes or {}).items()]
    parsed = parser.instantiate(parse(parser, ['--config', str(path), *options]))
    recipe: TrainConfig = build(TrainConfig, parsed)
    return recipe


def _spelt(value: object) -> str:
    """A value of a YAML file as it stands on the command line."""
    return value if isinstance(value, str) else json.dumps(value)
