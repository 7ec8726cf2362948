"""A recording as camera: in lockstep with the drive node, or as time passes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geometry_msgs.msg import Vector3Stamped
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage, Image

from signattn.nodes.ledger import LOST, UNREADABLE, Entry, Ledger
from signattn.nodes.messages import attention_weights, camera_topic, nanoseconds, set_stamp
from signattn.nodes.parameters import NodeParameter, declare, number, text
from signattn.nodes.process import NodeError, run
from signattn.nodes.transport import transport
from signattn.preprocess import NS_PER_S, ImageError, RateGate

if TYPE_CHECKING:
    from signattn.bag import CameraImage, Recording

NAME = 'replay'
SETTLE_S = 0.3
LOST_IN_A_ROW = 10

PARAMETERS = (
    NodeParameter('source', '', 'Bag (ROS 1 or ROS 2), or folder with interpolated.csv.'),
    NodeParameter('image_topic', '', 'Camera of the source; empty to find it by type.'),
    NodeParameter(
        'mode',
        'realtime',
        'lockstep: the next image goes out when the last was answered. realtime: as recorded.',
        choices=('lockstep', 'realtime'),
    ),
    NodeParameter('rate', 1.0, 'Speed of realtime, 2 is twice as fast.', lower=0.01, upper=100),
    NodeParameter(
        'rate_hz',
        0.0,
        'Hz. Steps a second of the model, which decide what is expected to be answered: in '
        'lockstep other images are not sent; 0 for every image.',
        lower=0,
        upper=1000,
    ),
    NodeParameter(
        'max_gap', 0.5, 's. Longest gap between two images of one drive.', lower=0.01, upper=60
    ),
    NodeParameter(
        'timeout', 2.0, 's. An image without answer is sent again after it.', lower=0.01, upper=600
    ),
    NodeParameter(
        'resends',
        3,
        'How often an image is sent again before it counts as lost.',
        lower=0,
        upper=99,
    ),
    NodeParameter('wait', 60.0, 's. Longest wait for a drive node.', lower=0, upper=3600),
    NodeParameter('out', '', 'Folder for answers.csv and attention.npy; empty for none.'),
)


class ReplayNode(Node):
    """Sends images and notes what comes back."""

    def __init__(self, **kwargs: Any) -> None:
        """Open the source.

        Args:
            **kwargs: For rclpy's Node: context, namespace, parameter_overrides, cli_args.

        Raises:
            BagError: If the source can't be read.
            NodeError: If what reads recordings isn't installed.
        """
        super().__init__(NAME, **kwargs)
        declare(self, PARAMETERS)
        topic = text(self, 'image_topic') or None
        self._recording = _open(text(self, 'source'), topic)
        self._ledger = Ledger()
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self)
        # Reliable also reaches those who ask for best effort.
        self._transport = transport(self._recording)
        kind, name = camera_topic(self, self._transport)
        self._images = self.create_publisher(kind, name, QoSProfile(depth=5))
        self.create_subscription(Vector3Stamped, 'signattn/curvature', self._on_curvature, 10)
        self.create_subscription(Image, 'signattn/attention', self._on_attention, 10)

    def play(self) -> None:
        """Send the whole source, and write what became of it.

        Raises:
            BagError: If the source is damaged.
            NodeError: If no drive node answers.
            OSError: If the answers can't be written.
        """
        with self._recording as recording:
            self._wait_for_drive_node()
            if text(self, 'mode') == 'lockstep':
                self._play_in_lockstep(recording)
            else:
                self._play_in_real_time(recording)
        if text(self, 'out'):
            self._ledger.write(Path(text(self, 'out')))
        self.get_logger().info(f'done: {len(self._ledger.entries)} images of {recording.path}')

    def _wait_for_drive_node(self) -> None:
        wait_s = number(self, 'wait')
        if not self._spin_until(self._is_connected, wait_s):
            raise NodeError(
                f'a drive node must listen to {self._images.topic_name} and publish '
                f'signattn/curvature, found none in {wait_s:g} s{self._transport_hint()}'
            )
        # That we see the other side doesn't mean that it sees us already.
        self._spin_until(lambda: False, SETTLE_S)

    def _transport_hint(self) -> str:
        """What to do where the drive node listens to the other topic."""
        other = 'compressed' if self._transport == 'raw' else 'raw'
        _, topic = camera_topic(self, other)
        if not self.count_subscribers(topic):
            return ''
        return (
            f'; somebody listens to {topic}, but the recording is {self._transport}: '
            f'set image_transport:={self._transport}'
        )

    def _is_connected(self) -> bool:
        outputs = ('signattn/curvature', 'signattn/attention')
        answering = all(self.count_publishers(output) for output in outputs)
        return answering and self._images.get_subscription_count() > 0

    def _play_in_lockstep(self, recording: Recording) -> None:
        expects = self._expectation()
        lost_in_a_row = 0
        for image in recording.images():
            if not expects(image.stamp_ns):
                self._ledger.skip(image.stamp_ns)
                continue
            entry = self._deliver(image)
            lost_in_a_row = lost_in_a_row + 1 if entry.status == LOST else 0
            if lost_in_a_row == LOST_IN_A_ROW:
                raise NodeError(f'images must be answered, {LOST_IN_A_ROW} in a row were not')

    def _deliver(self, image: CameraImage) -> Entry:
        message = camera_message(image)
        entry = self._ledger.send(image.stamp_ns, time.monotonic_ns())
        for _ in range(1 + int(number(self, 'resends'))):
            self._images.publish(message)
            if self._spin_until(lambda: entry.complete, number(self, 'timeout')):
                break
            if not _readable(image):
                entry.status = UNREADABLE
                break
        return entry

    def _play_in_real_time(self, recording: Recording) -> None:
        expects = self._expectation()
        rate = number(self, 'rate')
        first_stamp_ns = None
        started_s = time.monotonic()
        for image in recording.images():
            if first_stamp_ns is None:
                first_stamp_ns = image.stamp_ns
            message = camera_message(image)
            due_s = started_s + (image.stamp_ns - first_stamp_ns) / NS_PER_S / rate
            self._spin_until(lambda: False, due_s - time.monotonic())
            expected = expects(image.stamp_ns)
            self._ledger.send(image.stamp_ns, time.monotonic_ns(), expected=expected)
            self._images.publish(message)
        self._spin_until(lambda: not self._missing(), number(self, 'timeout'))
        self._tell_damaged_from_lost(recording)

    def _missing(self) -> set[int]:
        return {entry.stamp_ns for entry in self._ledger.entries if entry.status == LOST}

    def _tell_damaged_from_lost(self, recording: Recording) -> None:
        missing = self._missing()
        if not missing:
            return
        damaged = {
            image.stamp_ns
            for image in recording.images()
            if image.stamp_ns in missing and not _readable(image)
        }
        for entry in self._ledger.entries:
            if entry.status == LOST and entry.stamp_ns in damaged:
                entry.status = UNREADABLE

    def _expectation(self) -> Callable[[int], bool]:
        """Says of each stamp in turn whether the model takes a step there."""
        rate_hz = number(self, 'rate_hz')
        if not rate_hz:
            return lambda _: True
        return RateGate(rate_hz, number(self, 'max_gap')).accept

    def _spin_until(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Serve callbacks until something is so; False after the time."""
        deadline_s = time.monotonic() + timeout_s
        while not done():
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return False
            if not self.context.ok():
                raise ExternalShutdownException
            self._executor.spin_once(timeout_sec=min(left_s, 0.1))
        return True

    def _on_curvature(self, message: Vector3Stamped) -> None:
        now_ns = time.monotonic_ns()
        self._ledger.answer(nanoseconds(message.header.stamp), now_ns, message.vector.z)

    def _on_attention(self, message: Image) -> None:
        self._ledger.attend(nanoseconds(message.header.stamp), attention_weights(message))


def _open(source: str, image_topic: str | None) -> Recording:
    try:
        from signattn.bag import Selection, open_recording  # noqa: PLC0415 (may be missing on a robot)
    except ModuleNotFoundError as error:
        missing = (error.name or '').partition('.')[0]
        raise NodeError(
            f'{missing} must be installed to read recordings, found none: pip install {missing}'
        ) from error
    return open_recording(source, Selection(image_topic=image_topic))


def camera_message(image: CameraImage) -> Image | CompressedImage:
    """The message of a recorded picture, its bytes untouched.

    Args:
        image: The picture.

    Returns:
        Raw or compressed, as it was recorded.
    """
    if image.encoding:
        message = Image(encoding=image.encoding, is_bigendian=int(image.is_bigendian))
        message.height, message.width, message.step = image.height, image.width, image.step
    else:
        message = CompressedImage(format=image.format)
    message.header.frame_id = image.frame_id
    set_stamp(message.header, image.stamp_ns)
    message.data.frombytes(image.data.tobytes())
    return message


def _readable(image: CameraImage) -> bool:
    try:
        image.rgb()
    except ImageError:
        return False
    return True


def main(args: list[str] | None = None) -> int:
    """Play a source and end.

    Args:
        args: Command line; the process's own by default.

    Returns:
        Exit status: 1 if the source can't be read or nobody answers.
    """
    return run(NAME, ReplayNode, ReplayNode.play, args)


if __name__ == '__main__':
    sys.exit(main())
