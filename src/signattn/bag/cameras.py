"""Which streams of a recording are cameras, and which one looks ahead from the middle."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path

from signattn.bag.messages import COMPRESSED, RAW
from signattn.bag.recording import BagError, Topic
from signattn.preprocess import NS_PER_S

IMAGES = (COMPRESSED, RAW)
SIDES = ('left', 'center', 'right')

SWAPPED_NS = tuple(
    int(datetime(2016, 10, day, 7, tzinfo=timezone.utc).timestamp()) * NS_PER_S for day in (25, 26)
)
"""From when to when, in ns, the Udacity car had its left and centre cameras swapped: 2016-10-25
where it drove, in Mountain View, seven hours behind UTC.

Source: rwightman's udacity-driving-reader, which exchanges them in bags of that day's name.
"""
_SWAPPED = {'left_camera': 'center_camera', 'center_camera': 'left_camera'}


def find_cameras(topics: Iterable[Topic]) -> list[str]:
    """Camera topics of a bag.

    Depth images are none, by their name: their type is that of pictures.

    Args:
        topics: Of the bag.

    Returns:
        Names, sorted; of a camera recorded raw and compressed the compressed topic.
    """
    by_camera: dict[str, str] = {}
    for topic in topics:
        if not topic.count or topic.type not in IMAGES or 'depth' in topic.name.lower():
            continue
        if base(topic.name) not in by_camera or topic.type == COMPRESSED:
            by_camera[base(topic.name)] = topic.name
    return sorted(by_camera.values())


def base(camera: str) -> str:
    """The camera's name, whatever its pictures are packed in."""
    return camera.removesuffix('/compressed')


def by_side(cameras: Sequence[str], *, swapped: bool = False) -> dict[str, str]:
    """The cameras that look ahead side by side.

    Args:
        cameras: Names of all cameras.
        swapped: Whether the left and the centre camera bear each other's names.

    Returns:
        Name by side. ``center`` is the only name with ``center`` in it; ``left`` and ``right``
        are named as it is but for that word. Empty without a centre camera.
    """
    centers = [camera for camera in cameras if 'center' in camera]
    if len(centers) != 1:
        return {}
    by_base = {base(camera): camera for camera in cameras}
    wanted = {side: base(centers[0]).replace('center', side) for side in SIDES}
    found = {side: by_base[name] for side, name in wanted.items() if name in by_base}
    if swapped:
        found['left'], found['center'] = found['center'], found['left']
    return found


def choose_camera(path: Path, cameras: Sequence[str], *, swapped: bool = False) -> str:
    """The only camera, or the centre one of several.

    Args:
        path: The recording, for the error.
        cameras: Names of all of its cameras, at least one.
        swapped: Whether the left and the centre camera bear each other's names.

    Returns:
        The only name; of several, the centre one.

    Raises:
        BagError: If several cameras qualify.
    """
    if len(cameras) == 1:
        return cameras[0]
    sides = by_side(cameras, swapped=swapped)
    if not sides:
        raise BagError(
            f'{path} must have one camera, got {", ".join(cameras)}; name one with --image-topic'
        )
    return sides['center']


def may_be_swapped(cameras: Sequence[str]) -> bool:
    """Whether these are the Udacity car's cameras, the left and the centre one among them."""
    bases = {base(camera) for camera in cameras}
    return {f'/{name}/image_color' for name in _SWAPPED} <= bases


def put_right(name: str) -> str:
    """The other one of two cameras that bear each other's names; others stay as they are."""
    for wrong, right in _SWAPPED.items():
        if wrong in name:
            return name.replace(wrong, right)
    return name
