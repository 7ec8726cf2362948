"""An inspection as text for a terminal."""

from collections.abc import Mapping
from typing import Any

from rich.columns import Columns
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from signattn.inspection.report import Report

TOPIC_TITLES = {
    'topic': 'topic',
    'type': 'type',
    'count': 'count',
    'rate_hz': 'Hz',
    'offset_ms': 'clock ms',
    'offset_spread_ms': '± ms',
    'offset_drift_ms': 'drift ms',
    'zero_stamps': 'zeros',
    'read_as': 'read as',
}

SHORT = 16
"""Characters; longer values get a line of their own."""
_MEASURES = ('mean', 'std', 'min', 'max')


def show(report: Report, console: Console) -> None:
    """Print a report.

    Args:
        report: What to print.
        console: Where, and how wide.
    """
    console.print(Text(f'{report.path}', style='bold'), Text(f'({report.kind})'))
    _warnings(report, console)
    console.print(Padding(_pairs(report.row), (0, 0, 0, 2)))
    if report.topics:
        console.print(Padding(_topics(report.topics), (1, 0, 0, 2)))
    for name, section in report.details.items():
        console.print(Text(f'\n  {name}', style='bold'))
        console.print(Padding(_pairs(section), (0, 0, 0, 2)))
    console.print()


def _warnings(report: Report, console: Console) -> None:
    for finding in report.warnings:
        _item(console, 'warning', 'yellow', finding.text, finding.remedy)
    for damage in report.damage:
        _item(console, 'damage', 'red', f'{damage.where}: {damage.what}')
    for note in report.notes:
        _item(console, 'note', 'cyan', note)


def _item(console: Console, label: str, style: str, text: str, remedy: str = '') -> None:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=7, style=style)
    table.add_column()
    table.add_row(label, Text(text))
    if remedy:
        table.add_row('', Text(f'→ {remedy}', style='dim'))
    console.print(Padding(table, (0, 0, 0, 2)))


def _pairs(values: Mapping[str, Any]) -> Group:
    """Keys and values, side by side where there is room, long ones below."""
    pairs = {key: cell(value) for key, value in folded(values).items()}
    longest = max((len(key) for key in pairs), default=0)
    short = [
        Text.assemble((f'{key:{longest}}', 'dim'), '  ', value)
        for key, value in pairs.items()
        if len(value) <= SHORT
    ]
    long = Table.grid(padding=(0, 2))
    long.add_column(style='dim', no_wrap=True, min_width=longest)
    long.add_column(overflow='fold')
    for key, value in pairs.items():
        if len(value) > SHORT:
            long.add_row(key, Text(value))
    columns = Columns(short, padding=(0, 4), equal=True, column_first=True)
    return Group(columns, long) if long.row_count else Group(columns)


def folded(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with each distribution on one line.

    Args:
        values: By key; a distribution has four keys, as ``statistics.distribution`` names them.

    Returns:
        The same with one text for the four.
    """
    out: dict[str, Any] = {}
    for key, value in values.items():
        name, _, measure = key.rpartition('_')
        if measure not in _MEASURES or f'{name}_mean' not in values:
            out[key] = value
        elif measure == 'mean' and value is not None:
            std, least, most = (cell(values[f'{name}_{it}']) for it in _MEASURES[1:])
            out[name] = f'{cell(value)} ± {std} ({least} to {most})'
        elif measure == 'mean':
            out[name] = None
    return out


def _topics(rows: list[dict[str, Any]]) -> Table:
    """One row for each topic; below its name the type, and what it is read as."""
    numbers = [key for key in TOPIC_TITLES if key not in ('topic', 'type', 'read_as')]
    shown = [key for key in numbers if any(row[key] is not None for row in rows)]
    if not any(row['zero_stamps'] for row in rows):
        shown = [key for key in shown if key != 'zero_stamps']
    table = Table(box=None, padding=(0, 2, 0, 0), header_style='dim')
    table.add_column('topic', overflow='fold')
    for key in shown:
        table.add_column(TOPIC_TITLES[key], justify='right')
    for row in rows:
        read = f', read as {row["read_as"]}' if row['read_as'] else ''
        name = Text.assemble(row['topic'], (f'\n  {row["type"]}{read}', 'dim'))
        table.add_row(name, *(cell(row[key]) for key in shown))
    return table


def cell(value: Any) -> str:
    """A value as it stands in a table; a dash where it is unknown."""
    if value is None:
        return '–'
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if isinstance(value, float):
        return f'{value:.5g}'
    if isinstance(value, list):
        return ', '.join(cell(item) for item in value)
    return str(value)
