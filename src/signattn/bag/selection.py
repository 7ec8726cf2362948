"""Which parts of a recording are read, and how they are understood."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Selection:
    """What to read of a recording.

    Attributes:
        image_topic: Camera topic (a camera's frame_id in a folder); found by type if not given.
        steering: Steering topic, or /topic:field.path (a column in a folder); found by type if
            not given.
        unit: What steering is in: rad or deg at the wheel, tyre_rad, tyre_deg, rad/s, deg/s, 1/m,
            or m (a radius); with _right behind it where right is positive. The type's own if not
            given.
        speed: Speed topic, or /topic:field.path (a column in a folder); found by type if not
            given.
        speed_unit: What speed is in: m/s, km/h or mph; the type's own, or m/s, if not given.
        msg_path: Folder with .msg files, PKG/msg/NAME.msg or NAME.msg, for bags that hold no
            definitions of their own.
        strict: Whether damage is an error; else what can be read is used.
    """

    image_topic: str | None = None
    steering: str | None = None
    unit: str | None = None
    speed: str | None = None
    speed_unit: str | None = None
    msg_path: Path | None = None
    strict: bool = False
