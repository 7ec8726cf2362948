"""Between ROS messages and arrays."""

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from signattn.preprocess import NS_PER_S, decode_compressed, decode_raw


def nanoseconds(stamp: Any) -> int:
    """Nanoseconds of a builtin_interfaces/Time."""
    return int(stamp.sec) * NS_PER_S + int(stamp.nanosec)


def set_stamp(header: Header, stamp_ns: int) -> None:
    """Write nanoseconds into a header."""
    header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, NS_PER_S)


def rgb_image(message: Image | CompressedImage) -> NDArray[np.uint8]:
    """Decode a picture.

    Args:
        message: Raw or compressed.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        ImageError: If it can't be decoded.
    """
    if isinstance(message, CompressedImage):
        return decode_compressed(message.data, message.format)
    return decode_raw(
        message.data,
        encoding=message.encoding,
        height=message.height,
        width=message.width,
        step=message.step,
        is_bigendian=bool(message.is_bigendian),
    )


def image_message(pixels: NDArray[Any], encoding: str, header: Header) -> Image:
    """A raw image.

    Args:
        pixels: (H, W) or (H, W, C) array.
        encoding: Name of its layout, from sensor_msgs/image_encodings.
        header: Stamp and frame_id.

    Returns:
        The message.
    """
    pixels = np.ascontiguousarray(pixels)
    message = Image(header=header, encoding=encoding)
    message.height, message.width = pixels.shape[:2]
    message.step = pixels.strides[0]
    message.is_bigendian = int(sys.byteorder == 'big')
    # Any other way to fill the field checks every byte: 15 to 45 ms for a VGA picture.
    message.data.frombytes(pixels.data.cast('B'))
    return message


def attention_weights(message: Image) -> NDArray[np.float32]:
    """(10, 20) float32, the weights in a message of ~/attention."""
    return np.frombuffer(message.data, np.float32).reshape(message.height, message.width)


def camera_topic(node: Node, transport: str, image: str = 'image') -> tuple[type, str]:
    """Type and name of a camera's topic; a remap of the raw name moves the compressed one too.

    Args:
        node: Whose remap rules count.
        transport: ``raw`` or ``compressed``.
        image: Name of the raw topic.

    Returns:
        Message type and topic.
    """
    topic = node.resolve_topic_name(image)
    if transport == 'compressed':
        return CompressedImage, f'{topic}/compressed'
    return Image, topic
