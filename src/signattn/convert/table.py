"""The table of what became of the drives, for people and for machines."""

from pathlib import Path
from typing import Any

from signattn.convert.many import Outcome
from signattn.drive import DESCRIPTION
from signattn.share import read_yaml

Row = dict[str, Any]


def row(outcome: Outcome) -> Row:
    """An outcome as a row of the table for machines.

    Args:
        outcome: What became of a drive.

    Returns:
        Numbers with units in the keys; only drive, source, status and error if it failed.
    """
    head = {'drive': str(outcome.out), 'source': str(outcome.source)}
    if outcome.error:
        said = str(outcome.error) or type(outcome.error).__name__
        return head | {'status': 'failed', 'error': said}
    description = read_yaml(outcome.out / DESCRIPTION)
    height, width = description['image_size']
    return {
        **head,
        'status': 'converted' if outcome.made else 'there already',
        **description['counts'],
        **description['statistics'],
        'height_px': height,
        'width_px': width,
        'notes': description['notes'],
        'reports': [
            *description['unreadable'],
            *(f'{it["where"]}: {it["what"]}' for it in description['damage']),
        ],
    }


def short_row(row: Row) -> Row:
    """A row of the table for people.

    Args:
        row: The row for machines.

    Returns:
        Few columns, spreads as mean ± standard deviation (least … greatest).
    """
    name = Path(row['drive']).name
    if 'error' in row:
        return {'drive': name, 'status': row['status']}
    counts = ('frames', 'skipped', 'out_of_order', 'unreadable', 'damaged', 'labelled')
    return {
        'drive': name,
        'status': row['status'],
        **{key: row[key] for key in counts},
        'gaps': f'{row["gaps"]} (to {row["longest_gap_s"]:g} s)' if row['gaps'] else '0',
        'duration_s': row['duration_s'],
        'steering_deg': _spread(row, 'steering_deg'),
        'speed_m_per_s': _spread(row, 'speed_m_per_s'),
        'size_px': f'{row["width_px"]}×{row["height_px"]}',
    }


def _spread(row: Row, name: str) -> str:
    mean, std, least, most = (row[f'{name}_{key}'] for key in ('mean', 'std', 'min', 'max'))
    return '–' if mean is None else f'{mean:.1f} ± {std:.1f} ({least:.1f} … {most:.1f})'
