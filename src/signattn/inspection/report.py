"""What an inspection says, whatever it looked at."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from signattn.bag import Damage
from signattn.inspection.evidence import Evidence

Kind = Literal['recording', 'drive', 'model']


@dataclass(frozen=True)
class Finding:
    """Something that will go wrong, and what to do about it.

    Attributes:
        kind: Name of the check, such as ``no_steering``.
        text: What was found, with the number that was measured.
        remedy: What to do.
    """

    kind: str
    text: str
    remedy: str


@dataclass(frozen=True, eq=False)
class Report:
    """What is in a recording, a drive or a model.

    Attributes:
        path: Where it is.
        kind: What it is.
        row: The numbers that ``convert`` shows of a drive, with units in the keys.
        details: What else there is to know, in sections; units in the keys.
        topics: Of a recording, one row for each topic.
        warnings: What will go wrong.
        notes: Remarks of the reader.
        damage: What could not be read and was left out.
        evidence: What it was measured on; None for a model.
    """

    path: Path
    kind: Kind
    row: dict[str, Any] = field(default_factory=dict)
    details: dict[str, dict[str, Any]] = field(default_factory=dict)
    topics: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)
    evidence: Evidence | None = None

    @property
    def sound(self) -> bool:
        """Whether there is neither a warning nor damage."""
        return not self.warnings and not self.damage

    def to_mapping(self) -> dict[str, Any]:
        """All of it but the evidence, in plain values; None for numbers that aren't finite."""
        mapping: dict[str, Any] = _plain(
            {
                'path': str(self.path),
                'kind': self.kind,
                'row': self.row,
                'details': self.details,
                'topics': self.topics,
                'warnings': [asdict(warning) for warning in self.warnings],
                'notes': self.notes,
                'damage': [asdict(damage) for damage in self.damage],
            }
        )
        return mapping


def to_json(reports: Iterable[Report]) -> str:
    """Reports as JSON text.

    Args:
        reports: What to write.

    Returns:
        A list with a mapping for each report.
    """
    return json.dumps([it.to_mapping() for it in reports], indent=2, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, bool | int | str | None) else str(value)
