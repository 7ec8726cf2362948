"""Pictures for the eye: the heatmap alone, and over the camera's image with the steering."""

import functools
import math
import sys
import time
from collections import OrderedDict
from typing import Any

import cv2
import numpy as np
from geometry_msgs.msg import TwistStamped, Vector3Stamped
from nav_msgs.msg import Odometry
from numpy.typing import NDArray
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import Image

from signattn.heatmap import colour, draw_steering, heatmap, overlay
from signattn.nodes.messages import (
    attention_weights,
    camera_topic,
    image_message,
    nanoseconds,
    rgb_image,
)
from signattn.nodes.parameters import (
    NodeParameter,
    declare,
    number,
    text,
)
from signattn.nodes.process import run
from signattn.preprocess import ImageError
from signattn.vehicle import load_vehicle, steering_from_curvature

NAME = 'overlay'
CACHED = 10
WARN_EVERY_S = 5.0
DEMAND_EVERY_S = 0.25
SPEED_HOLDS_S = 1.0
SPEED_TYPES = {'twist': TwistStamped, 'odometry': Odometry}

PARAMETERS = (
    NodeParameter(
        'image_transport',
        'raw',
        'raw: the topic image. compressed: the resolved name of image + /compressed.',
        choices=('raw', 'compressed'),
    ),
    NodeParameter(
        'vehicle',
        'lincoln_mkz',
        'Name of a shipped vehicle or path of a vehicle file; it turns curvature into the angle '
        'of the steering wheel that is drawn.',
    ),
    NodeParameter(
        'assume_speed',
        15.0,
        'm/s. Speed at which the steering-wheel angle is drawn where speed says nothing.',
        lower=0,
        upper=100,
        live=True,
    ),
    NodeParameter(
        'speed_type',
        'twist',
        'Type of speed. twist: geometry_msgs/TwistStamped. odometry: nav_msgs/Odometry.',
        choices=('twist', 'odometry'),
    ),
    NodeParameter(
        'strength',
        0.6,
        'Opacity of the heatmap at the most attended place.',
        lower=0,
        upper=1,
        live=True,
    ),
    NodeParameter(
        'max_width',
        640,
        'px. Wider images are made smaller before anything is drawn.',
        lower=16,
        upper=8192,
        live=True,
    ),
)


class Pairing:
    """Waits until every part of the same stamp is there, however they come."""

    def __init__(self, *parts: str) -> None:
        """Wait for nothing yet.

        Args:
            *parts: Names of what belongs together.
        """
        self._cached: dict[str, OrderedDict[int, Any]] = {part: OrderedDict() for part in parts}

    def add(self, part: str, stamp_ns: int, message: Any) -> dict[str, Any] | None:
        """Take one part.

        Args:
            part: Which one.
            stamp_ns: ns, its stamp.
            message: What it is.

        Returns:
            All parts of the stamp by name, once the last one is there.
        """
        cache = self._cached[part]
        cache[stamp_ns] = message
        while len(cache) > CACHED:
            cache.popitem(last=False)
        if any(stamp_ns not in cache for cache in self._cached.values()):
            return None
        return {name: cache.pop(stamp_ns) for name, cache in self._cached.items()}


class OverlayNode(Node):
    """Subscribes to nothing while nobody looks."""

    def __init__(self, **kwargs: Any) -> None:
        """Advertise, and wait for somebody to look.

        Args:
            **kwargs: For rclpy's Node: context, namespace, parameter_overrides, cli_args.
        """
        super().__init__(NAME, **kwargs)
        declare(self, PARAMETERS)
        self._vehicle = load_vehicle(text(self, 'vehicle'))
        self._inputs: list[Any] = []
        self._speed: tuple[float, float] | None = None  # m/s, and the steady s of its arrival
        # Reliable, as RViz and rqt subscribe.
        self._overlay = self.create_publisher(Image, 'signattn/overlay', 5)
        self._heatmap = self.create_publisher(Image, 'signattn/heatmap', 5)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(DEMAND_EVERY_S, self._follow_demand, clock=steady)

    def _follow_demand(self) -> None:
        wanted = any(out.get_subscription_count() for out in (self._overlay, self._heatmap))
        if wanted and not self._inputs:
            self._subscribe()
        elif not wanted:
            for subscription in self._inputs:
                self.destroy_subscription(subscription)
            self._inputs = []

    def _subscribe(self) -> None:
        self._pairing = Pairing('image', 'attention', 'curvature')
        kind, topic = camera_topic(self, text(self, 'image_transport'))
        camera = QoSProfile(depth=CACHED, reliability=ReliabilityPolicy.BEST_EFFORT)
        for part, message, name, qos in (
            ('image', kind, topic, camera),
            ('attention', Image, 'signattn/attention', QoSProfile(depth=CACHED)),
            ('curvature', Vector3Stamped, 'signattn/curvature', QoSProfile(depth=CACHED)),
        ):
            subscription = self.create_subscription(
                message,
                name,
                functools.partial(self._take, part),
                qos,
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
            self._inputs.append(subscription)
        speed_type = SPEED_TYPES[text(self, 'speed_type')]
        speed = self.create_subscription(
            speed_type,
            'speed',
            self._on_speed,
            qos_profile_sensor_data,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        self._inputs.append(speed)

    def _on_speed(self, message: TwistStamped | Odometry) -> None:
        twist = message.twist.twist if isinstance(message, Odometry) else message.twist
        if math.isfinite(twist.linear.x):
            # Backwards the wheel turns as far: only the square of the speed counts.
            self._speed = abs(twist.linear.x), time.monotonic()

    def _current_speed(self) -> float:
        if self._speed is not None:
            speed, came_s = self._speed
            if time.monotonic() - came_s <= SPEED_HOLDS_S:
                return speed
        return number(self, 'assume_speed')

    def _take(self, part: str, message: Any) -> None:
        stamp_ns = nanoseconds(message.header.stamp)
        if part == 'image' and stamp_ns == 0:
            self.get_logger().warning(
                'image stamp must be set to be drawn on, got 0: no answer has the same',
                throttle_duration_sec=WARN_EVERY_S,
            )
            return
        parts = self._pairing.add(part, stamp_ns, message)
        if parts is None:
            return
        try:
            image = rgb_image(parts['image'])
        except ImageError as error:
            self.get_logger().warning(
                f'image can not be drawn on: {error}', throttle_duration_sec=WARN_EVERY_S
            )
            return
        self._draw(self._shrunk(image), parts)

    def _shrunk(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = image.shape[:2]
        share = number(self, 'max_width') / width
        if share >= 1:
            return image
        size = (round(width * share), max(1, round(height * share)))
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)

    def _draw(self, image: NDArray[np.uint8], parts: dict[str, Any]) -> None:
        header = parts['image'].header
        heat = heatmap(attention_weights(parts['attention']), *image.shape[:2])
        if self._heatmap.get_subscription_count():
            self._heatmap.publish(image_message(colour(heat)[..., ::-1], 'bgr8', header))
        if self._overlay.get_subscription_count():
            speed = self._current_speed()
            curvature = parts['curvature'].vector.z
            angle = float(steering_from_curvature(curvature, speed, self._vehicle))
            drawn = draw_steering(overlay(image, heat, number(self, 'strength')), angle)
            self._overlay.publish(image_message(drawn[..., ::-1], 'bgr8', header))


def main(args: list[str] | None = None) -> int:
    """Run the node until it's told to stop.

    Args:
        args: Command line; the process's own by default.

    Returns:
        Exit status: 1 if a parameter can't be used.
    """
    return run(NAME, OverlayNode, args=args)


if __name__ == '__main__':
    sys.exit(main())
