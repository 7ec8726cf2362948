"""Fields of messages by name, such as ``twist.twist.angular.z`` or ``position[0]``."""

import re
from collections.abc import Iterator
from typing import Any

from rosbags.interfaces import Nodetype
from rosbags.typesys.store import Typestore

Path = tuple[str | int, ...]
"""Names of fields, and indices of arrays, from the outside in."""

_PATH = re.compile(r'\w+(\.\w+|\[\d+\])*')


def field_path(text: str) -> Path:
    """Read the name of a field.

    Args:
        text: Names with dots between them; indices as ``.0`` or ``[0]``.

    Returns:
        The path.

    Raises:
        ValueError: If it is no such name.
    """
    if not _PATH.fullmatch(text):
        raise ValueError(
            f'field must be names with dots, such as drive.speed or data[0], got {text!r}'
        )
    parts = re.findall(r'\w+', text)
    return tuple(int(part) if part.isdecimal() else part for part in parts)


def value_at(message: Any, path: Path) -> float:
    """The number in a field.

    Raises:
        Exception: If there is none.
    """
    for part in path:
        message = message[part] if isinstance(part, int) else getattr(message, part)
    return float(message)


def numbers(types: Typestore, msgtype: str) -> Iterator[str]:
    """Names of all fields of a type that hold numbers; of an array's elements the first."""
    for name, field in types.get_msgdef(msgtype).fields:
        for rest in _below(types, field):
            yield name + rest


def first_of(path: Path) -> str:
    """Name of a field as ``numbers`` gives it: of an array's elements the first."""
    named = ''.join('[0]' if isinstance(part, int) else f'.{part}' for part in path)
    return named.removeprefix('.')


def _below(types: Typestore, field: Any) -> Iterator[str]:
    match field:
        case (Nodetype.BASE, (str(kind), _)) if kind != 'string':
            yield ''
        case (Nodetype.NAME, str(name)):
            yield from (f'.{below}' for below in numbers(types, name))
        case (Nodetype.ARRAY | Nodetype.SEQUENCE, (inner, _)):
            yield from (f'[0]{below}' for below in _below(types, inner))
