"""Recipes of trainings and measurements, read as the command line reads them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signattn.cli.options import add_options, build, new_parser, parse
from signattn.share import shipped_or_own

if TYPE_CHECKING:
    from signattn.quality import QualityConfig
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


def read_quality(name_or_path: str) -> 'QualityConfig':
    """What is measured of maps.

    Args:
        name_or_path: Name of a shipped file (``config/quality/NAME.yaml``), or a .yaml file.

    Returns:
        What it says.

    Raises:
        ValueError: If there is no such file, or it has an unknown key or a wrong value.
    """
    from signattn.quality import QualityConfig

    parser = new_parser('study')
    parser.add_argument('--config', action='config')
    add_options(parser, QualityConfig)
    try:
        path = shipped_or_own('quality', name_or_path)
    except ValueError as error:
        raise ValueError(f'--explain: {error}') from error
    quality: QualityConfig = build(QualityConfig, parse(parser, ['--config', str(path)]))
    return quality


def _spelt(value: object) -> str:
    """A value of a YAML file as it stands on the command line."""
    return value if isinstance(value, str) else json.dumps(value)
