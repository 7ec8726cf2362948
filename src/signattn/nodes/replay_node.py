"""A recording as camera and speed: in lockstep with the drive node, or as time passes."""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geometry_msgs.msg import TwistStamped, Vector3Stamped
from rclpy.clock import Clock as RosClock
from rclpy.clock_type import ClockType
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image

from signattn.nodes.answers import FRAME_ID, curvature_message
from signattn.nodes.ledger import LOST, UNREADABLE, Entry, Ledger
from signattn.nodes.messages import attention_weights, camera_topic, nanoseconds, set_stamp
from signattn.nodes.parameters import declare, flag, number, text
from signattn.nodes.playback import Playhead, at_rate
from signattn.nodes.process import NodeError, run
from signattn.nodes.replay_parameters import PARAMETERS
from signattn.nodes.transport import transport
from signattn.preprocess import NS_PER_S, ImageError, RateGate
from signattn.vehicle import load_vehicle

if TYPE_CHECKING:
    from signattn.bag import CameraImage, Recording

NAME = 'replay'
LOST_IN_A_ROW = 10
LISTEN_S = 0.05
ANSWERS_KEPT = 100


class ReplayNode(Node):
    """Sends images and notes what comes back."""

    def __init__(self, **kwargs: Any) -> None:
        """Open the source.

        Args:
            **kwargs: For rclpy's Node: context, namespace, parameter_overrides, cli_args.

        Raises:
            BagError: If the source can't be read.
            NodeError: If what reads recordings isn't installed, or a loop is asked for where
                there is none.
        """
        super().__init__(NAME, **kwargs)
        declare(self, PARAMETERS)
        if flag(self, 'loop') and (text(self, 'out') or text(self, 'mode') == 'lockstep'):
            raise NodeError('loop must be false in lockstep and with out, got true')
        self._recording = _open(self)
        self._ledger = Ledger()
        self._playhead = Playhead(0, time.monotonic_ns())
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self)
        self._advertise()
        self.create_subscription(
            Vector3Stamped, 'signattn/curvature', self._on_curvature, ANSWERS_KEPT
        )
        self.create_subscription(Image, 'signattn/attention', self._on_attention, ANSWERS_KEPT)

    def _advertise(self) -> None:
        # Reliable also reaches those who ask for best effort.
        qos = QoSProfile(depth=5)
        self._transport = transport(self._recording)
        kind, name = camera_topic(self, self._transport)
        self._images = self.create_publisher(kind, name, qos)
        self._speeds = self.create_publisher(TwistStamped, 'speed', qos)
        self._driven = self.create_publisher(Vector3Stamped, 'driven', qos)
        self._time = None
        if clock_hz := number(self, 'clock_hz'):
            self._time = self.create_publisher(Clock, '/clock', QoSProfile(depth=1))
            steady = RosClock(clock_type=ClockType.STEADY_TIME)
            self._ticks = self.create_timer(1 / clock_hz, self._tell_time, clock=steady)

    def play(self) -> None:
        """Send the whole source, and write what became of it.

        Raises:
            BagError: If the source is damaged.
            NodeError: If no drive node answers, or ``start`` is behind the end.
            OSError: If the answers can't be written.
        """
        with self._recording as recording:
            self._read_track()
            if number(self, 'wait'):
                self._wait_for_drive_node()
            # That we see the other side doesn't mean that it sees us already.
            self._spin_until(lambda: False, number(self, 'settle'))
            if text(self, 'mode') == 'lockstep':
                self._play_in_lockstep()
            else:
                self._play_in_real_time()
        if text(self, 'out'):
            self._ledger.write(Path(text(self, 'out')))
        self.get_logger().info(f'done: {len(self._ledger.entries)} images of {recording.path}')

    def _read_track(self) -> None:
        from signattn.nodes.track import Track  # noqa: PLC0415 (it imports what reads recordings)

        stamps_ns = [image.stamp_ns for image in self._pictures()]
        if not stamps_ns:
            start_s = number(self, 'start')
            raise NodeError(f'start must lie before the end of the source, got {start_s:g} s')
        self._count, self._last_ns = len(stamps_ns), stamps_ns[-1]
        self._track = Track(
            self._recording,
            stamps_ns,
            load_vehicle(text(self, 'vehicle')),
            number(self, 'assume_speed') or None,
            self.get_logger().warning,
        )

    def _pictures(self) -> Iterator[CameraImage]:
        """The pictures from ``start`` on, of the camera of ``camera_hz``."""
        images = self._recording.images()
        first = next(images, None)
        if first is None:
            return
        begin_ns = first.stamp_ns + round(number(self, 'start') * NS_PER_S)
        later = itertools.dropwhile(
            lambda image: image.stamp_ns < begin_ns, itertools.chain([first], images)
        )
        camera_hz = number(self, 'camera_hz')
        yield from at_rate(later, camera_hz, number(self, 'max_gap')) if camera_hz else later

    def _wait_for_drive_node(self) -> None:
        wait_s = number(self, 'wait')
        if not self._spin_until(self._is_connected, wait_s):
            raise NodeError(
                f'a drive node must listen to {self._images.topic_name} and publish '
                f'signattn/curvature, found none in {wait_s:g} s{self._transport_hint()}'
            )

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

    def _play_in_lockstep(self) -> None:
        expects = self._expectation()
        lost_in_a_row, before_ns = 0, None
        for image in self._pictures():
            self._spin_until(lambda: not flag(self, 'paused'), math.inf)
            for speed in self._track.speeds(before_ns, image.stamp_ns):
                self._send_speed(*speed)
            before_ns = image.stamp_ns
            if not expects(image.stamp_ns):
                self._ledger.skip(image.stamp_ns)
                continue
            self._playhead.seek(image.stamp_ns, time.monotonic_ns())
            entry = self._deliver(image)
            lost_in_a_row = lost_in_a_row + 1 if entry.status == LOST else 0
            if lost_in_a_row == LOST_IN_A_ROW:
                raise NodeError(f'images must be answered, {LOST_IN_A_ROW} in a row were not')

    def _deliver(self, image: CameraImage) -> Entry:
        message = camera_message(image)
        entry = self._ledger.send(image.stamp_ns, time.monotonic_ns())
        for _ in range(1 + int(number(self, 'resends'))):
            self._send_image(message)
            if self._spin_until(lambda: entry.complete, number(self, 'timeout')):
                break
            if not _readable(image):
                entry.status = UNREADABLE
                break
        return entry

    def _play_in_real_time(self) -> None:
        while True:
            first_ns = self._play_lap()
            if not flag(self, 'loop'):
                break
            # The first picture comes as long after the last as any other.
            self._spin_until_due(self._last_ns + (self._last_ns - first_ns) // max(1, self._count))
        self._spin_until(lambda: not self._missing(), number(self, 'timeout'))
        self._tell_damaged_from_lost()
        if rate_hz := number(self, 'rate_hz'):
            self._ledger.settle(NS_PER_S / rate_hz)

    def _play_lap(self) -> int:
        """Play the source once; gives the stamp of the first picture."""
        self._ledger = Ledger()
        expects = self._expectation()
        first_ns = before_ns = None
        for image in self._pictures():
            if first_ns is None:
                first_ns = image.stamp_ns
            if before_ns is None or image.stamp_ns < before_ns:
                self._playhead.seek(image.stamp_ns, time.monotonic_ns())
            for stamp_ns, speed in self._track.speeds(before_ns, image.stamp_ns):
                self._spin_until_due(stamp_ns)
                self._send_speed(stamp_ns, speed)
            before_ns = image.stamp_ns
            message = camera_message(image)
            late_ns = self._spin_until_due(image.stamp_ns)
            now_ns = time.monotonic_ns()
            expected = expects(image.stamp_ns)
            self._ledger.send(image.stamp_ns, now_ns, expected=expected, due_ns=now_ns - late_ns)
            self._send_image(message)
        return first_ns or 0

    def _send_speed(self, stamp_ns: int, speed: float) -> None:
        message = TwistStamped()
        message.header.frame_id = FRAME_ID
        set_stamp(message.header, stamp_ns)
        message.twist.linear.x = speed
        self._speeds.publish(message)

    def _send_image(self, message: Image | CompressedImage) -> None:
        """An image, and before it what belongs to it: the time, and what was driven."""
        self._tell_time()
        driven = self._track.driven(nanoseconds(message.header.stamp))
        if driven is not None:
            self._driven.publish(curvature_message(message.header, driven))
        self._images.publish(message)

    def _tell_time(self) -> None:
        if self._time is None:
            return
        position_ns = self._playhead.position_ns(time.monotonic_ns())
        if position_ns:
            message = Clock()
            message.clock.sec, message.clock.nanosec = divmod(position_ns, NS_PER_S)
            self._time.publish(message)

    def _missing(self) -> set[int]:
        return {entry.stamp_ns for entry in self._ledger.entries if entry.status == LOST}

    def _tell_damaged_from_lost(self) -> None:
        missing = self._missing()
        if not missing:
            return
        damaged = {
            image.stamp_ns
            for image in self._pictures()
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

    def _spin_until_due(self, stamp_ns: int) -> int:
        """Serve callbacks until a moment of the source is due; gives how late it is, ns."""
        while True:
            self._executor.spin_once(timeout_sec=0)
            now_ns = time.monotonic_ns()
            rate = 0.0 if flag(self, 'paused') else number(self, 'rate')
            self._playhead.steer(rate, now_ns)
            left_s = self._playhead.wait_s(stamp_ns, now_ns)
            if left_s <= 0:
                return round(-left_s * NS_PER_S)
            self._spin_once(min(left_s, LISTEN_S))

    def _spin_until(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Serve callbacks until something is so; False after the time."""
        deadline_s = time.monotonic() + timeout_s
        while not done():
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return False
            self._spin_once(min(left_s, LISTEN_S))
        return True

    def _spin_once(self, timeout_s: float) -> None:
        if not self.context.ok():
            raise ExternalShutdownException
        self._executor.spin_once(timeout_sec=timeout_s)

    def _on_curvature(self, message: Vector3Stamped) -> None:
        now_ns = time.monotonic_ns()
        self._ledger.answer(nanoseconds(message.header.stamp), now_ns, message.vector.z)

    def _on_attention(self, message: Image) -> None:
        self._ledger.attend(nanoseconds(message.header.stamp), attention_weights(message))


def _open(node: Node) -> Recording:
    try:
        from signattn.bag import Selection, open_recording  # noqa: PLC0415 (may be missing on a robot)
    except ModuleNotFoundError as error:
        missing = (error.name or '').partition('.')[0]
        raise NodeError(
            f'{missing} must be installed to read recordings, found none: pip install {missing}'
        ) from error
    folder = text(node, 'msg_path')
    selection = Selection(
        image_topic=text(node, 'image_topic') or None,
        steering=text(node, 'steering') or None,
        unit=text(node, 'unit') or None,
        speed=text(node, 'speed') or None,
        speed_unit=text(node, 'speed_unit') or None,
        msg_path=Path(folder) if folder else None,
    )
    return open_recording(text(node, 'source'), selection)


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
