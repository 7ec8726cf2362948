"""Tables that list the pictures of a folder."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING

from signattn.bag.recording import BagError
from signattn.bag.units import Measure

if TYPE_CHECKING:
    import _csv

MAX_NS = 2**63 - 1
"""Ns; stamps go no further."""

Lose = Callable[[str, str], None]
"""Takes where something can't be read, and what is wrong with it."""


@dataclass(frozen=True)
class Row:
    """A picture and what is known at its time.

    Attributes:
        line: Line of the table.
        stamp_ns: ns.
        camera: Which camera took it.
        file: The picture.
        cells: Values by column, as text.
    """

    line: int
    stamp_ns: int
    camera: str
    file: Path
    cells: dict[str, str]


@dataclass(frozen=True)
class Table:
    """A kind of table.

    Attributes:
        name: File name.
        rows: Reads a folder's table row by row; what it can't read it hands over.
        steering: Column with the turn of the car, and what its numbers mean.
        speed: Column with the speed, likewise.
        pictures: Columns that say which picture it is, and hold no values.
        note: What a user should know about it; empty if nothing.
    """

    name: str
    rows: Callable[[Path, Lose], Iterator[Row]]
    steering: tuple[str, Measure]
    speed: tuple[str, Measure]
    pictures: tuple[str, ...]
    note: str = ''


def read_lines(
    table: Path, needed: tuple[str, ...], columns: tuple[str, ...], lose: Lose
) -> Iterator[tuple[int, dict[str, str]]]:
    """Cells by column, line by line; bytes that are no UTF-8 survive in file names.

    Args:
        table: The file.
        needed: Columns that must be there.
        columns: Names of the columns of a table without header; such a table has none of the
            needed names in its first line.
        lose: Told of lines that have too many cells or too few.

    Yields:
        Number of the line and its cells, without spaces around them.

    Raises:
        BagError: If the file can't be read, or has not the columns.
    """
    try:
        with table.open(encoding='utf-8-sig', errors='surrogateescape', newline='') as lines:
            reader = csv.reader(lines, strict=True)
            first = next(reader, [])
            header, rows = [cell.strip() for cell in first], []
            if columns and first and not set(needed) & set(header):
                header, rows = list(columns), [first]
            if not set(needed) <= set(header):
                raise BagError(
                    f'{table} must have the columns {" and ".join(needed)}, '
                    f'got {", ".join(header) or "an empty file"}'
                )
            yield from _cells(reader, rows, header, table, lose)
    except (OSError, csv.Error) as error:
        raise BagError(f'{table} must be a readable table, got: {error}') from error


def _cells(
    reader: '_csv.Reader', rows: list[list[str]], header: list[str], table: Path, lose: Lose
) -> Iterator[tuple[int, dict[str, str]]]:
    lines = chain(rows, reader)
    while True:
        try:
            cells = next(lines, None)
        except csv.Error as error:
            lose(f'{table.name} from line {reader.line_num}', f'must be readable, got: {error}')
            return
        if cells is None:
            return
        if len(cells) > len(header):
            lose(
                f'{table.name} line {reader.line_num}',
                f'must have {len(header)} cells, got {len(cells)}',
            )
        elif cells:
            filled = chain((cell.strip() for cell in cells), repeat(''))
            yield reader.line_num, dict(zip(header, filled, strict=False))
