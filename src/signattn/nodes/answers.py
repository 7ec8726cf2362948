"""The messages of one answer, all with the image's stamp."""

import math

import numpy as np
from geometry_msgs.msg import PoseStamped, TwistStamped, Vector3Stamped
from nav_msgs.msg import Path
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from signattn.nodes.messages import image_message

FRAME_ID = 'base_link'
PATH_POINTS = 21


def curvature_message(image: Header, curvature: float) -> Vector3Stamped:
    """The turn per metre of travel about each axis, rad/m; z is the curvature.

    Args:
        image: Header of the image.
        curvature: 1/m, left positive.

    Returns:
        The message, in base_link.
    """
    message = Vector3Stamped(header=_in_base_link(image))
    message.vector.z = curvature
    return message


def attention_message(image: Header, attention: NDArray[np.float32]) -> Image:
    """The weights as they are.

    Args:
        image: Header of the image.
        attention: (10, 20) float32.

    Returns:
        A 32FC1 image with the frame_id of the camera.
    """
    return image_message(attention, '32FC1', image)


def cmd_message(image: Header, curvature: float, speed: float) -> TwistStamped:
    """What the vehicle would have to do to follow the curvature at a speed.

    Args:
        image: Header of the image.
        curvature: 1/m, left positive.
        speed: m/s, the one asked for.

    Returns:
        The message, in base_link.
    """
    message = TwistStamped(header=_in_base_link(image))
    message.twist.linear.x = speed
    message.twist.angular.z = speed * curvature
    return message


def path_message(image: Header, curvature: float, length: float) -> Path:
    """The arc ahead of the vehicle.

    Args:
        image: Header of the image.
        curvature: 1/m, left positive.
        length: m, along the arc.

    Returns:
        21 poses in base_link, the first at its origin.
    """
    path = Path(header=_in_base_link(image))
    x, y, yaw = arc(curvature, length)
    for east, north, angle in zip(x.tolist(), y.tolist(), yaw.tolist(), strict=True):
        pose = PoseStamped(header=path.header)
        pose.pose.position.x, pose.pose.position.y = east, north
        pose.pose.orientation.z = math.sin(angle / 2)
        pose.pose.orientation.w = math.cos(angle / 2)
        path.poses.append(pose)
    return path


def arc(
    curvature: float, length: float, points: int = PATH_POINTS
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Points of a circular arc that begins at the origin, along x.

    Args:
        curvature: 1/m, left positive.
        length: m, along the arc.
        points: How many.

    Returns:
        x, y in m and heading in rad, (points,) each, evenly spaced along the arc.
    """
    travelled = np.linspace(0, length, points)
    yaw = curvature * travelled
    # The chord of an arc of angle yaw points to yaw / 2; sinc keeps the straight line finite.
    chord = travelled * np.sinc(yaw / (2 * np.pi))
    return chord * np.cos(yaw / 2), chord * np.sin(yaw / 2), yaw


def _in_base_link(image: Header) -> Header:
    return Header(stamp=image.stamp, frame_id=FRAME_ID)
