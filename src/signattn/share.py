"""Where data files are, how YAML becomes a dataclass, and how a file is written whole."""

import dataclasses
import difflib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

T = TypeVar('T')

PACKAGE = 'signattn'


def share_path(relative: str) -> Path:
    """Path of an installed data file: a configuration, a launch file, a shipped model.

    A checkout is looked at first, so that an editable install never reads stale copies; then the
    ament index (``AMENT_PREFIX_PATH``) and last the Python environment that the package is
    installed in.

    Args:
        relative: Path below the package's share directory, such as ``'models/demo'``.

    Returns:
        The first existing path.

    Raises:
        FileNotFoundError: If the file is in none of these places; the text lists them.
    """
    tried = [base / relative for base in _share_directories()]
    for path in tried:
        if path.exists():
            return path
    places = ', '.join(str(path) for path in tried)
    raise FileNotFoundError(f'{relative} must be installed with {PACKAGE}, not found at: {places}')


def _share_directories() -> list[Path]:
    package = Path(__file__).resolve().parent
    checkout = package.parent.parent
    directories = [checkout] if (checkout / 'package.xml').is_file() else []
    for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep):
        if prefix:
            directories.append(Path(prefix) / 'share' / PACKAGE)
    directories.append(Path(sys.prefix) / 'share' / PACKAGE)
    return directories


def shipped_or_own(kind: str, name_or_path: str | Path) -> Path:
    """Path of a YAML file that is named, or given by its path.

    Args:
        kind: Folder of the shipped ones below ``config``, such as ``'vehicle'``.
        name_or_path: Name of a shipped one (``config/KIND/NAME.yaml``), or the path of a file of
            one's own, ending in .yaml.

    Returns:
        The file.

    Raises:
        ValueError: If there is no such file; the text lists the shipped ones.
    """
    path = Path(name_or_path)
    if path.suffix != '.yaml':
        shipped = share_path(f'config/{kind}')
        path = shipped / f'{name_or_path}.yaml'
        if not path.is_file():
            known = sorted(file.stem for file in shipped.glob('*.yaml'))
            raise ValueError(
                f'{kind} must be one of {known} or a .yaml file, got {name_or_path!r}'
            )
    elif not path.is_file():
        raise ValueError(f'{kind} must be an existing .yaml file, got {str(path)!r}')
    return path


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds.

    Args:
        path: A YAML file.

    Returns:
        Its top-level mapping.

    Raises:
        ValueError: If the file is no YAML or its top level is no mapping.
        OSError: If the file can't be read.
    """
    try:
        mapping = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f'{path} must be a YAML file, got: {error}') from error
    if not isinstance(mapping, dict):
        raise ValueError(f'{path} must hold a mapping, got {type(mapping).__name__}')
    return mapping


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that appears, or replaces an older one, only when it is whole and on the disk.

    Args:
        path: The file, in a folder that is there.
        data: All of it.

    Raises:
        OSError: If it can't be written.
    """
    partial = path.with_name(f'.{path.name}.partial')
    with partial.open('wb') as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a text file and the folders above it; it appears only when whole.

    Args:
        path: The file.
        text: What it holds.

    Raises:
        OSError: If it can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.encode())


def write_metrics(path: Path, metrics: Any) -> None:
    """Write metrics.json; it appears only when whole.

    Args:
        path: The file.
        metrics: Numbers with units in their keys, or rows of such; NaN is refused.

    Raises:
        ValueError: If a number is NaN or infinite.
        OSError: If it can't be written.
    """
    write_text(path, json.dumps(metrics, indent=2, allow_nan=False) + '\n')


def from_mapping(cls: type[T], mapping: Mapping[str, Any], where: str) -> T:
    """Build a dataclass from a mapping and refuse keys that it doesn't have.

    Args:
        cls: A dataclass whose fields are plain values.
        mapping: Field names and values.
        where: What the mapping is, for the error: a path or the name of a section.

    Returns:
        An instance of ``cls``.

    Raises:
        ValueError: If a key is unknown (the nearest known one is named), a field without default
            is missing, or a value has the wrong type.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in mapping:
        if key not in fields:
            raise ValueError(f'{where}: {unknown_key(str(key), list(fields))}')
    for name, field in fields.items():
        required = (
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        )
        if required and name not in mapping:
            raise ValueError(f'{where}: key {name!r} must be given, got {sorted(mapping)}')
    try:
        return cls(**mapping)
    except TypeError as error:
        raise ValueError(f'{where}: {error}') from error


def unknown_key(key: str, known: list[str]) -> str:
    """Sentence that refuses a key and names the nearest known one."""
    nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f'; did you mean {nearest[0]!r}?' if nearest else ''
    return f'key must be one of {sorted(known)}, got {key!r}{hint}'
