"""The node that runs on the vehicle: camera images in, curvature and attention out."""

import functools
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

import torch
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TwistStamped, Vector3Stamped
from nav_msgs.msg import Path
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from signattn.nodes.answers import (
    attention_message,
    cmd_message,
    curvature_message,
    path_message,
)
from signattn.nodes.diagnostics import drive_status
from signattn.nodes.messages import (
    camera_topic,
    nanoseconds,
    rgb_image,
    set_stamp,
)
from signattn.nodes.parameters import (
    NodeParameter,
    declare,
    flag,
    number,
    text,
)
from signattn.nodes.process import NodeError, run
from signattn.nodes.tally import Tally
from signattn.preprocess import NS_PER_S, ImageError
from signattn.share import share_path
from signattn.stream import Engine, Step

NAME = 'signattn'
WARN_EVERY_S = 5.0

PARAMETERS = (
    NodeParameter('autostart', True, 'Configure and activate at start, without a manager.'),
    NodeParameter('model', '', 'Folder of the checkpoint; empty for the shipped demo model.'),
    NodeParameter('device', 'auto', 'Where the network runs: auto, cpu, cuda or cuda:N.'),
    NodeParameter(
        'threads',
        1,
        'CPU threads of the network. More gain little for one image at a time, and make it wait '
        'for every one of them where other programs want the cores.',
        lower=1,
        upper=64,
    ),
    NodeParameter(
        'image_transport',
        'raw',
        'raw: the topic image. compressed: the resolved name of image + /compressed.',
        choices=('raw', 'compressed'),
    ),
    NodeParameter(
        'max_age',
        0.5,
        's. Images older than this by the clock of the node are dropped; 0 for no limit.',
        lower=0,
        upper=3600,
        live=True,
    ),
    NodeParameter(
        'max_gap',
        0.5,
        's. A longer gap between two stamps resets the state of the network.',
        lower=0.01,
        upper=60,
        live=True,
    ),
    NodeParameter(
        'path_length',
        30.0,
        'm. Length of the arc that ~/path shows.',
        lower=1,
        upper=1000,
        live=True,
    ),
    NodeParameter('publish_cmd', False, 'Publish ~/cmd.'),
    NodeParameter(
        'cmd_speed',
        0.0,
        'm/s. Speed in ~/cmd, never the measured one; its yaw rate is cmd_speed · curvature.',
        lower=0,
        upper=100,
        live=True,
    ),
)

Callback = Callable[[Any, LifecycleState], TransitionCallbackReturn]


def _reported(callback: Callback) -> Callback:
    """Log what a lifecycle callback raises and answer FAILURE: rclpy would swallow it."""

    @functools.wraps(callback)
    def guarded(node: Any, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return callback(node, state)
        except Exception as error:  # noqa: BLE001 (whatever it is, the node must say it)
            node.get_logger().error(f'{callback.__name__[3:]} failed: {error}')
            return TransitionCallbackReturn.FAILURE

    return guarded


class DriveNode(LifecycleNode):
    """A managed node around the engine."""

    def __init__(self, load: Callable[[FilePath, str], Engine] = Engine, **kwargs: Any) -> None:
        """Declare parameters; models are loaded by configure.

        Args:
            load: Makes the engine from the checkpoint's folder and the device.
            **kwargs: For rclpy's Node: context, namespace, parameter_overrides, cli_args.
        """
        super().__init__(NAME, **kwargs)
        declare(self, PARAMETERS)
        self._load = load
        self._engine: Engine | None = None
        self._subscription: Any = None
        self._outputs: list[Any] = []
        self._tally = Tally()
        self._last_stamp_ns: int | None = None
        self._last_answer: tuple[Header, Step] | None = None
        self._warned_s: dict[str, float] = {}
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        # A paused bag stops the node's clock, but must not stop this.
        self.create_timer(1.0, self._report, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def start(self) -> bool:
        """Configure and activate, if ``autostart`` says so.

        Returns:
            False if that failed; the reason was logged.
        """
        if not flag(self, 'autostart'):
            return True
        triggers = (self.trigger_configure, self.trigger_activate)
        return all(trigger() == TransitionCallbackReturn.SUCCESS for trigger in triggers)

    @_reported
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model, warm it up, and advertise the outputs."""
        model = text(self, 'model')
        torch.set_num_threads(int(number(self, 'threads')))
        path = FilePath(model) if model else share_path('models/demo')
        engine = self._load(path, text(self, 'device'))
        engine.warm_up()
        engine.on_reset = self._note_reset
        self._engine = engine
        self._tally = Tally()
        try:
            self._advertise()
        except Exception:
            self._release()
            raise
        self.get_logger().info(f'{engine.name} ({engine.checksum[:12]}) on {engine.device}')
        return super().on_configure(state)

    @_reported
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Accept frames, with a fresh state."""
        self._require_engine().reset()
        self._last_stamp_ns = self._last_answer = None
        self._tally.restart()
        self._subscribe()
        return super().on_activate(state)

    @_reported
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Fall silent."""
        self._unsubscribe()
        return super().on_deactivate(state)

    @_reported
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give back the model and what it occupies."""
        self._release()
        return super().on_cleanup(state)

    @_reported
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give everything back, from whatever state."""
        self._release()
        return super().on_shutdown(state)

    @_reported
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give everything back and be unconfigured."""
        self._release()
        return super().on_error(state)

    def _require_engine(self) -> Engine:
        if self._engine is None:
            raise RuntimeError('node must be configured first, found no model')
        return self._engine

    def _advertise(self) -> None:
        qos = QoSProfile(depth=5)
        advertise = self.create_lifecycle_publisher
        self._outputs.append(advertise(Vector3Stamped, '~/curvature', qos))
        self._outputs.append(advertise(Image, '~/attention', qos))
        self._outputs.append(advertise(Path, '~/path', qos))
        self._curvature, self._attention, self._path = self._outputs
        self._cmd = None
        if flag(self, 'publish_cmd'):
            self._cmd = advertise(TwistStamped, '~/cmd', qos)
            self._outputs.append(self._cmd)

    def _subscribe(self) -> None:
        kind, topic = camera_topic(self, text(self, 'image_transport'))
        # The newest frame wins: a queue would only age.
        qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._subscription = self.create_subscription(
            kind,
            topic,
            self._on_image,
            qos,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            self.destroy_subscription(self._subscription)
            self._subscription = None

    def _release(self) -> None:
        self._unsubscribe()
        for publisher in self._outputs:
            self.destroy_lifecycle_publisher(publisher)
        self._outputs = []
        self._engine = None
        self._last_answer = None

    def _on_image(self, message: Image | CompressedImage) -> None:
        arrived_ns = time.monotonic_ns()
        engine = self._require_engine()
        header = self._stamped(message.header)
        stamp_ns = nanoseconds(header.stamp)
        gap_s = number(self, 'max_gap')
        self._tally.receive(stamp_ns, arrived_ns, gap_s)
        if self._too_old(stamp_ns) or self._seen_before(stamp_ns):
            return
        self._last_stamp_ns = stamp_ns
        if not engine.accepts(stamp_ns, header.frame_id, gap_s):
            self._tally.counts['skipped'] += 1
            return
        try:
            step = self._step(engine, message)
        except ImageError as error:
            self._drop('unusable', f'image of stamp {stamp_ns} can not be used: {error}')
            return
        self._tally.answer(self._publish(header, step) - arrived_ns)
        self._last_answer = header, step

    def _step(self, engine: Engine, message: Image | CompressedImage) -> Step:
        image = rgb_image(message)
        height, width = image.shape[:2]
        self._tally.aspect_ratio = width / height
        return engine.step(image)

    def _stamped(self, header: Header) -> Header:
        if nanoseconds(header.stamp) == 0:
            self.get_logger().warning(
                'image stamp must be set, got 0: the time of arrival is taken',
                throttle_duration_sec=WARN_EVERY_S,
            )
            set_stamp(header, self.get_clock().now().nanoseconds)
        return header

    def _too_old(self, stamp_ns: int) -> bool:
        limit_s = number(self, 'max_age')
        age_s = (self.get_clock().now().nanoseconds - stamp_ns) / NS_PER_S
        if not 0 < limit_s < age_s:
            return False
        self._drop(
            'too old',
            f'image must be at most {limit_s:g} s old (max_age), is {age_s:.3f} s old; when a bag '
            'plays set use_sim_time and play it with --clock, else mend the clock of the camera',
        )
        return True

    def _seen_before(self, stamp_ns: int) -> bool:
        """Whether it's the image that came last, sent again.

        Who sends images reliably and waits for each answer, as replay does, gets a lost answer
        again. From a camera it's an error, and an old answer must not look like a new one.
        """
        if stamp_ns != self._last_stamp_ns:
            return False
        reliable = self._subscription.qos_profile.reliability == ReliabilityPolicy.RELIABLE
        if reliable and self._last_answer is not None:
            header, step = self._last_answer
            if nanoseconds(header.stamp) == stamp_ns:
                self._publish(header, step)
                return True
        self._drop('same stamp', f'image must have a stamp of its own, got {stamp_ns} again')
        return True

    def _note_reset(self, reason: str) -> None:
        self._tally.counts['resets'] += 1
        self.get_logger().warning(f'state reset: {reason}', throttle_duration_sec=1.0)

    def _drop(self, reason: str, sentence: str) -> None:
        self._tally.drop(reason)
        # rclpy would count all reasons as one: it throttles by the line.
        now_s = time.monotonic()
        if now_s - self._warned_s.get(reason, -math.inf) >= WARN_EVERY_S:
            self._warned_s[reason] = now_s
            self.get_logger().warning(sentence)

    def _publish(self, header: Header, step: Step) -> int:
        """Publish an answer, the curvature first; returns when that was out, on steady ns."""
        self._curvature.publish(curvature_message(header, step.curvature))
        out_ns = time.monotonic_ns()
        self._attention.publish(attention_message(header, step.attention))
        if self._cmd is not None:
            speed = number(self, 'cmd_speed')
            self._cmd.publish(cmd_message(header, step.curvature, speed))
        if self._path.get_subscription_count():
            length = number(self, 'path_length')
            self._path.publish(path_message(header, step.curvature, length))
        return out_ns

    def _report(self) -> None:
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        name = self.get_fully_qualified_name()
        state = self._state_machine.current_state[1]
        message.status.append(drive_status(name, state, self._tally, self._engine))
        self._diagnostics.publish(message)


def main(args: list[str] | None = None) -> int:
    """Run the node until it's told to stop.

    Args:
        args: Command line; the process's own by default.

    Returns:
        Exit status: 1 if a parameter or the model can't be used.
    """
    return run(NAME, _started, args=args)


def _started() -> DriveNode:
    node = DriveNode()
    if not node.start():
        node.destroy_node()
        raise NodeError('autostart failed, see above')
    return node


if __name__ == '__main__':
    sys.exit(main())
