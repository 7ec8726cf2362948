"""Which parts of a recording are read, and how they are understood."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Selection:
    """What to read of a recording.

    Attributes:
        image_topic: Camera topic (a camera's frame_id in a folder); found by type if not given.
        steering: Steering topic, or /topic:field.path for a type that isn't known (a column in a
            folder); found by type if not given.
        unit: Unit of a field named by steering; the type's own if not given.
        speed: Speed topic, or /topic:field.path; with the steering if not given.
        speed_unit: Unit of a field named by speed; m/s if not given.
        msg_path: Folder with .msg files, for bags that hold no definitions of their own.
        strict: Whether damage is an error; else what can be read is used.
    """

    image_topic: str | None = None
    steering: str | None = None
    unit: str | None = None
    speed: str | None = None
    speed_unit: str | None = None
    msg_path: Path | None = None
    strict: bool = False
