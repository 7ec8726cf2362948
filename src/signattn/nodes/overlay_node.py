"""Pictures for the eye: the heatmap alone, and over the camera's image with the steering."""

import functools
import math
import sys
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from geometry_msgs.msg import Vector3Stamped
from numpy.typing import NDArray
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image

from signattn.heatmap import (
    DRIVEN,
    PREDICTED,
    colour,
    draw_numbers,
    draw_steering,
    heatmap,
    overlay,
)
from signattn.nodes.answers import arc
from signattn.nodes.calibration import camera_info_topic, is_rectified, lens_of
from signattn.nodes.messages import (
    attention_weights,
    camera_topic,
    image_message,
    nanoseconds,
    rgb_image,
)
from signattn.nodes.pairing import CACHED, Pairing
from signattn.nodes.parameters import (
    IMAGE_TRANSPORT,
    NodeParameter,
    declare,
    number,
    text,
)
from signattn.nodes.process import run
from signattn.nodes.speed import SPEED_TYPE, SpeedInput
from signattn.projection import Lens, Mount, draw_ribbon, ribbon, straight_lens
from signattn.vehicle import load_vehicle, steering_from_curvature

NAME = 'overlay'
WARN_EVERY_S = 5.0
DEMAND_EVERY_S = 0.25
ARC_POINTS = 81

PARAMETERS = (
    IMAGE_TRANSPORT,
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
    SPEED_TYPE,
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
    NodeParameter(
        'path_length',
        30.0,
        'm. Length of the drawn arc.',
        lower=1,
        upper=1000,
        live=True,
    ),
    NodeParameter(
        'camera_height',
        0.0,
        'm above the road; 0 for unknown, and then no arc is drawn on the picture.',
        lower=0,
        upper=10,
        live=True,
    ),
    NodeParameter(
        'camera_fov_deg',
        0.0,
        'deg, horizontal field of view where no CameraInfo comes; 0 for unknown.',
        lower=0,
        upper=170,
        live=True,
    ),
    NodeParameter(
        'camera_pitch_deg',
        0.0,
        'deg by which the camera looks down.',
        lower=-90,
        upper=90,
        live=True,
    ),
    NodeParameter(
        'camera_yaw_deg',
        0.0,
        'deg by which the camera looks to the left.',
        lower=-90,
        upper=90,
        live=True,
    ),
    NodeParameter(
        'camera_x',
        0.0,
        'm by which the camera sits ahead of base_link.',
        lower=-20,
        upper=20,
        live=True,
    ),
    NodeParameter(
        'camera_y',
        0.0,
        'm by which the camera sits to the left of base_link.',
        lower=-10,
        upper=10,
        live=True,
    ),
)


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
        self._speed: SpeedInput | None = None
        self._lens: Lens | None = None
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
        self._pairing = Pairing('image', 'attention', 'curvature', optional=('driven',))
        self._lens = None
        kind, topic = camera_topic(self, text(self, 'image_transport'))
        camera = QoSProfile(depth=CACHED, reliability=ReliabilityPolicy.BEST_EFFORT)
        answers = QoSProfile(depth=CACHED)
        take = functools.partial
        # First: messages that wait together are taken in this order, and nobody waits for these.
        self._hear(Vector3Stamped, 'driven', take(self._take, 'driven'), camera)
        self._hear(kind, topic, take(self._take, 'image'), camera)
        self._hear(Image, 'signattn/attention', take(self._take, 'attention'), answers)
        self._hear(Vector3Stamped, 'signattn/curvature', take(self._take, 'curvature'), answers)
        self._speed = SpeedInput(self)
        self._inputs.append(self._speed.subscription)
        calibration = camera_info_topic(self.resolve_topic_name('image'))
        self._hear(CameraInfo, calibration, self._on_camera_info, qos_profile_sensor_data)

    def _hear(self, kind: type, topic: str, callback: Callable[[Any], None], qos: Any) -> None:
        overriding = QoSOverridingOptions.with_default_policies()
        subscription = self.create_subscription(
            kind, topic, callback, qos, qos_overriding_options=overriding
        )
        self._inputs.append(subscription)

    def _on_camera_info(self, message: CameraInfo) -> None:
        rectified = is_rectified(self.resolve_topic_name('image'))
        try:
            self._lens = lens_of(message, rectified=rectified)
        except ValueError as error:
            self._lens = None
            self.get_logger().warning(
                f'no arc can be drawn with this CameraInfo: {error}',
                throttle_duration_sec=WARN_EVERY_S,
            )

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
            self._draw(rgb_image(parts['image']), parts)
        except ValueError as error:  # of a picture, or of an attention that nobody can draw
            self.get_logger().warning(
                f'image can not be drawn on: {error}', throttle_duration_sec=WARN_EVERY_S
            )

    def _draw(self, image: NDArray[np.uint8], parts: dict[str, Any]) -> None:
        header = parts['image'].header
        lens = self._lens_for(image)
        image = self._shrunk(image)
        heat = heatmap(attention_weights(parts['attention']), *image.shape[:2])
        if self._heatmap.get_subscription_count():
            self._heatmap.publish(image_message(colour(heat)[..., ::-1], 'bgr8', header))
        if self._overlay.get_subscription_count():
            driven = parts['driven'].vector.z if 'driven' in parts else math.nan
            drawn = overlay(image, heat, number(self, 'strength'))
            for curvature, paint in ((driven, DRIVEN), (parts['curvature'].vector.z, PREDICTED)):
                if lens is not None and math.isfinite(curvature):
                    drawn = self._with_arc(drawn, curvature, lens, paint)
            drawn = self._with_steering(drawn, parts['curvature'].vector.z, driven)
            self._overlay.publish(image_message(drawn[..., ::-1], 'bgr8', header))

    def _shrunk(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = image.shape[:2]
        share = number(self, 'max_width') / width
        if share >= 1:
            return image
        size = (round(width * share), max(1, round(height * share)))
        return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)

    def _lens_for(self, image: NDArray[np.uint8]) -> Lens | None:
        """How the camera sees; None where that, or its place, isn't known: nothing is invented."""
        height, width = image.shape[:2]
        fov_deg = number(self, 'camera_fov_deg')
        if not number(self, 'camera_height'):
            return None
        if self._lens is None:
            return straight_lens(math.radians(fov_deg), width, height) if fov_deg else None
        if self._lens.fits(width, height):
            return self._lens
        self.get_logger().warning(
            'images must have the proportions of their CameraInfo for an arc to be drawn, got '
            f'{width}×{height} with {self._lens.width}×{self._lens.height}',
            throttle_duration_sec=WARN_EVERY_S,
        )
        return None

    def _with_arc(
        self, image: NDArray[np.uint8], curvature: float, lens: Lens, paint: tuple[int, int, int]
    ) -> NDArray[np.uint8]:
        mount = Mount(
            number(self, 'camera_height'),
            math.radians(number(self, 'camera_pitch_deg')),
            math.radians(number(self, 'camera_yaw_deg')),
            number(self, 'camera_x'),
            number(self, 'camera_y'),
        )
        edges = ribbon(*arc(curvature, number(self, 'path_length'), ARC_POINTS))
        return draw_ribbon(image, edges, mount, lens, paint)

    def _with_steering(
        self, image: NDArray[np.uint8], curvature: float, driven: float
    ) -> NDArray[np.uint8]:
        """Bars and numbers in strips below; angles at the measured speed, else the assumed one."""
        measured = self._speed.current() if self._speed is not None else None
        speed = number(self, 'assume_speed') if measured is None else measured
        angles = steering_from_curvature([curvature, driven], speed, self._vehicle)
        numbers = [f'predicted {curvature:+.4f} 1/m']
        if math.isfinite(driven):
            numbers.append(f'driven {driven:+.4f} 1/m')
        numbers.append(f'at {speed:.1f} m/s' + (', assumed' if measured is None else ''))
        return draw_numbers(draw_steering(image, *angles.tolist()), '   '.join(numbers))


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
