"""The angle of the tyres, for vehicles that are driven by AckermannDriveStamped."""

import importlib
from typing import Any

from std_msgs.msg import Header

from signattn.nodes.answers import FRAME_ID
from signattn.vehicle import Vehicle, steering_from_curvature

PACKAGE = 'ackermann_msgs'


def message_type() -> Any:
    """AckermannDriveStamped.

    Returns:
        The class.

    Raises:
        ValueError: If the package isn't installed.
    """
    try:
        return importlib.import_module(f'{PACKAGE}.msg').AckermannDriveStamped
    except ModuleNotFoundError as error:
        raise ValueError(
            f'publish_ackermann needs the package {PACKAGE}, found none: '
            'sudo apt install ros-$ROS_DISTRO-ackermann-msgs'
        ) from error


def tyre_angle(curvature: float, speed: float, vehicle: Vehicle) -> float:
    """Angle of the front wheels at which a vehicle drives a curvature.

    Args:
        curvature: 1/m, left positive.
        speed: m/s, at which it slips.
        vehicle: Its wheelbase and slip factor count.

    Returns:
        rad, left positive.

    Raises:
        ValueError: If the speed is negative or not finite.

    Source: Tashiro and Awano 2023, Eq. 3, at the wheels.
    """
    return float(steering_from_curvature(curvature, speed, vehicle)) / vehicle.steering_ratio


def ackermann_message(kind: Any, image: Header, angle: float, speed: float) -> Any:
    """What the vehicle is asked to do.

    Args:
        kind: AckermannDriveStamped.
        image: Header of the image.
        angle: rad, of the tyres, left positive.
        speed: m/s, the one asked for.

    Returns:
        The message, in base_link; fields of changes are 0, which means as fast as it can.
    """
    message = kind(header=Header(stamp=image.stamp, frame_id=FRAME_ID))
    message.drive.steering_angle = angle
    message.drive.speed = speed
    return message
