"""How a recording's images travel."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from signattn.bag import Recording


def transport(recording: Recording) -> str:
    """As they were recorded: nothing is encoded or decoded on the way.

    Args:
        recording: Where the images are.

    Returns:
        ``raw`` or ``compressed``.
    """
    types = {topic.name: topic.type for topic in recording.topics}
    return 'raw' if types.get(recording.image_topic) == 'sensor_msgs/msg/Image' else 'compressed'
