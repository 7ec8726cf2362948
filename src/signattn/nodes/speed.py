"""The measured speed, as long as it holds."""

import math
import time
from typing import Any

from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.qos_overriding_options import QoSOverridingOptions

from signattn.nodes.parameters import NodeParameter, text

HOLDS_S = 1.0
TYPES = {'twist': TwistStamped, 'odometry': Odometry}

SPEED_TYPE = NodeParameter(
    'speed_type',
    'twist',
    'Type of speed. twist: geometry_msgs/TwistStamped. odometry: nav_msgs/Odometry.',
    choices=('twist', 'odometry'),
)


class SpeedInput:
    """Listens to the topic ``speed``, of the type that the parameter ``speed_type`` names."""

    def __init__(self, node: Node) -> None:
        """Subscribe.

        Args:
            node: Whose subscription it is; it has the parameter.
        """
        self._last: tuple[float, float] | None = None  # m/s, and the steady s of its arrival
        self.subscription = node.create_subscription(
            TYPES[text(node, SPEED_TYPE.name)],
            'speed',
            self._take,
            qos_profile_sensor_data,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )

    def _take(self, message: Any) -> None:
        twist = message.twist.twist if isinstance(message, Odometry) else message.twist
        if math.isfinite(twist.linear.x):
            # Backwards the wheel turns as far: only the square of the speed counts.
            self._last = abs(twist.linear.x), time.monotonic()

    def current(self) -> float | None:
        """m/s, not negative; None where none came for a second."""
        if self._last is None:
            return None
        speed, came_s = self._last
        return speed if time.monotonic() - came_s <= HOLDS_S else None
