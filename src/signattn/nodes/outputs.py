"""What the drive node publishes."""

import time
from typing import Any

from geometry_msgs.msg import TwistStamped, Vector3Stamped
from nav_msgs.msg import Path
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from signattn.nodes.ackermann import ackermann_message, message_type, tyre_angle
from signattn.nodes.answers import (
    attention_message,
    cmd_message,
    curvature_message,
    path_message,
)
from signattn.nodes.parameters import flag, number
from signattn.stream import Step
from signattn.vehicle import Vehicle


class Outputs:
    """The publishers of a managed node's answers; silent while it isn't active."""

    def __init__(self, node: LifecycleNode) -> None:
        """Advertise.

        Args:
            node: Whose parameters say which.

        Raises:
            ValueError: If ~/ackermann is wanted and its package isn't installed.
        """
        # Looked for first: nothing must stay behind where it is missing.
        tyres = message_type() if flag(node, 'publish_ackermann') else None
        self._node = node
        self._publishers: list[Any] = []
        self._curvature = self._advertise(Vector3Stamped, '~/curvature')
        self._attention = self._advertise(Image, '~/attention')
        self._path = self._advertise(Path, '~/path')
        self._cmd = self._advertise(TwistStamped, '~/cmd') if flag(node, 'publish_cmd') else None
        self._ackermann = self._advertise(tyres, '~/ackermann') if tyres else None

    def _advertise(self, kind: Any, topic: str) -> Any:
        publisher = self._node.create_lifecycle_publisher(kind, topic, QoSProfile(depth=5))
        self._publishers.append(publisher)
        return publisher

    def publish(self, header: Header, step: Step, speed: float, vehicle: Vehicle) -> int:
        """Publish an answer, the curvature first.

        Args:
            header: Of the image.
            step: The answer.
            speed: m/s, at which the tyres slip.
            vehicle: Whose tyres.

        Returns:
            Steady ns, when the curvature was out.
        """
        self._curvature.publish(curvature_message(header, step.curvature))
        out_ns = time.monotonic_ns()
        self._attention.publish(attention_message(header, step.attention))
        asked = number(self._node, 'cmd_speed')
        if self._cmd is not None:
            self._cmd.publish(cmd_message(header, step.curvature, asked))
        if self._ackermann is not None:
            angle, kind = tyre_angle(step.curvature, speed, vehicle), self._ackermann.msg_type
            self._ackermann.publish(ackermann_message(kind, header, angle, asked))
        if self._path.get_subscription_count():
            length = number(self._node, 'path_length')
            self._path.publish(path_message(header, step.curvature, length))
        return out_ns

    def destroy(self) -> None:
        """Take them back."""
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers = []
