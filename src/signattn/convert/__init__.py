"""From recordings to drives."""

from signattn.convert.config import ConvertConfig, WorkConfig
from signattn.convert.many import Outcome, Progress, convert, convert_all
from signattn.convert.table import row, short_row

__all__ = [
    'ConvertConfig',
    'Outcome',
    'Progress',
    'WorkConfig',
    'convert',
    'convert_all',
    'row',
    'short_row',
]
