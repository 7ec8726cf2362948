"""The node that runs on the vehicle: camera images in, curvature and attention out."""

import dataclasses
import functools
import gc
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any, TypeVar, cast

import cv2
import torch
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockChange, JumpHandle, JumpThreshold, TimeJump
from rclpy.clock_type import ClockType
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from signattn.nodes.diagnostics import Problem, Thresholds, drive_status, problems, values, worst
from signattn.nodes.drive_parameters import PARAMETERS
from signattn.nodes.failures import give_back_memory, is_device_lost, is_out_of_memory
from signattn.nodes.limits import Bounds, Limiter
from signattn.nodes.messages import camera_topic, nanoseconds, rgb_image, set_stamp
from signattn.nodes.outputs import Outputs
from signattn.nodes.parameters import declare, flag, number, text
from signattn.nodes.process import NodeError, run
from signattn.nodes.speed import SpeedInput
from signattn.nodes.tally import Tally
from signattn.nodes.transitions import refuse_wrong_transitions, reported
from signattn.preprocess import NS_PER_S, ImageError
from signattn.share import share_path
from signattn.stream import BackendName, Engine, Step, Weights
from signattn.vehicle import Vehicle, load_vehicle

NAME = 'signattn'
WARN_EVERY_S = 5.0
REPORT_EVERY_S, WATCH_EVERY_S = 1.0, 0.1
DEMO = 'demo'


Load = Callable[[FilePath, str, BackendName, Weights], Engine]
"""An engine from a checkpoint's folder, the name of a device, a back end, and its weights."""


Method = TypeVar('Method', bound=Callable[..., Any])


def exclusive(method: Method) -> Method:
    """Let no two of a node's methods run at a time, whatever threads call them.

    Args:
        method: One that uses what others replace.

    Returns:
        The guarded method.
    """

    @functools.wraps(method)
    def guarded(node: 'DriveNode', *args: Any) -> Any:
        with node.lock:
            return method(node, *args)

    return cast('Method', guarded)


class DriveNode(LifecycleNode):
    """A managed node around the engine.

    Executors of several threads may run it, and transitions may be asked for by any thread.

    Attributes:
        lock: Held by whoever is at work.
    """

    _jumps: JumpHandle | None = None  # before __init__ is through, which may end in between

    def __init__(self, load: Load = Engine, **kwargs: Any) -> None:
        """Declare parameters; models are loaded by configure.

        Args:
            load: Makes the engine.
            **kwargs: For rclpy's Node: context, namespace, parameter_overrides, cli_args.
        """
        super().__init__(NAME, **kwargs)
        self.lock = threading.RLock()
        declare(self, PARAMETERS)
        refuse_wrong_transitions(self)
        self._load = load
        self._engine: Engine | None = None
        self._vehicle: Vehicle
        self._subscription: Any = None
        self._speed: SpeedInput | None = None
        self._outputs: Outputs | None = None
        self._tally = Tally()
        self._limiter = Limiter()
        self._last_stamp_ns: int | None = None
        self._last_answer: tuple[Header, Step] | None = None
        self._ready_ns = 0
        self._warned_s: dict[str, float] = {}
        self._failure = ''
        self._lost_device = ''
        self._level = DiagnosticStatus.OK
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self.create_service(Trigger, '~/reset', self._on_reset_request)
        # A paused bag stops the node's clock, but must not stop these.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(REPORT_EVERY_S, self._report, clock=steady)
        self.create_timer(WATCH_EVERY_S, self._watch, clock=steady)
        backwards = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1))
        self._jumps = self.get_clock().create_jump_callback(
            backwards, post_callback=self._on_clock_jump
        )

    def destroy_node(self) -> None:
        """Give everything back."""
        if self._jumps is not None:
            self._jumps.unregister()
        gc.unfreeze()
        super().destroy_node()

    # Lifecycle

    def start(self) -> bool:
        """Configure and activate, if ``autostart`` says so.

        Returns:
            False if that failed; the reason was logged.
        """
        if not flag(self, 'autostart'):
            return True
        triggers = (self.trigger_configure, self.trigger_activate)
        return all(trigger() == TransitionCallbackReturn.SUCCESS for trigger in triggers)

    def note_failure(self, transition: str, error: Exception) -> None:
        """Say why a transition failed, in the log and in the diagnostics.

        Args:
            transition: ``configure``, ``activate``, …
            error: What was raised.
        """
        self._failure = f'{transition} failed: {error}'
        self.get_logger().error(self._failure)
        if is_device_lost(error):
            self._lost_device = self._failure

    @reported
    @exclusive
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model, warm it up, and advertise the outputs."""
        model, vehicle = text(self, 'model'), text(self, 'vehicle')
        threads = int(number(self, 'threads'))
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
        path = FilePath(model) if model else share_path('models/demo')
        backend = cast('BackendName', text(self, 'backend'))
        weights = cast('Weights', text(self, 'weights'))
        engine = self._load(path, text(self, 'device'), backend, weights)
        engine.warm_up()
        engine.on_reset = self._note_reset
        self._vehicle = load_vehicle(vehicle) if vehicle else engine.vehicle
        self._engine = engine
        self._tally = Tally()
        try:
            self._advertise()
        except Exception:
            self._release()
            raise
        self._failure = ''
        runs = engine.backend.name
        self.get_logger().info(f'{engine.name} ({engine.checksum[:12]}), {runs}')
        return super().on_configure(state)

    @reported
    @exclusive
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Accept frames, with a fresh state."""
        self._require_engine().reset()
        self._limiter = Limiter()
        self._last_stamp_ns = self._last_answer = None
        self._tally.restart()
        self._failure = ''
        # What is loaded stays: to look through it for garbage would hold an image up.
        gc.freeze()
        try:
            self._subscribe()
        except Exception:
            self._unsubscribe()
            raise
        return super().on_activate(state)

    @reported
    @exclusive
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Fall silent."""
        self._unsubscribe()
        result = super().on_deactivate(state)
        return TransitionCallbackReturn.ERROR if self._failure else result

    @reported
    @exclusive
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give back the model and what it occupies."""
        self._release()
        return super().on_cleanup(state)

    @reported
    @exclusive
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give everything back, from whatever state."""
        self._release()
        return super().on_shutdown(state)

    @reported
    @exclusive
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give everything back and be unconfigured."""
        self._release()
        return super().on_error(state)

    def _require_engine(self) -> Engine:
        if self._engine is None:
            raise RuntimeError('node must be configured first, found no model')
        return self._engine

    def _advertise(self) -> None:
        self._outputs = Outputs(self)

    def _subscribe(self) -> None:
        self._speed = SpeedInput(self)
        kind, topic = camera_topic(self, text(self, 'image_transport'))
        # The newest frame wins: a queue would only age.
        qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        callback: Any = self._on_image  # rclpy's types know none that is told of the sending
        self._subscription = self.create_subscription(
            kind,
            topic,
            callback,
            qos,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )

    def _unsubscribe(self) -> None:
        if self._speed is not None:
            self.destroy_subscription(self._speed.subscription)
            self._speed = None
        if self._subscription is not None:
            self.destroy_subscription(self._subscription)
            self._subscription = None

    def _release(self) -> None:
        gc.unfreeze()
        self._unsubscribe()
        if self._outputs is not None:
            self._outputs.destroy()
        self._outputs = self._engine = None
        self._last_answer = None
        give_back_memory()

    # Images

    @exclusive
    def _on_image(self, message: Image | CompressedImage, info: Mapping[str, Any]) -> None:
        if self._subscription is None:  # it was on its way when the node was deactivated
            return
        failure = ''
        try:
            self._take(message, info)
        except Exception as error:  # an image must not end the node
            if is_device_lost(error):
                raise NodeError(f'the device is lost: {error}') from error
            if is_out_of_memory(error):
                failure = f'out of memory: {error}'
            else:
                self._require_engine().reset()
                self._drop('failed', f'image can not be answered: {type(error).__name__}: {error}')
        # Not before the answer: to count the cameras costs 0.1 ms.
        number_sent = info.get('publication_sequence_number')
        if number_sent is not None and self._cameras() == 1:
            self._tally.follow(number_sent)
        if failure:  # the error is gone by now, and with it what it held on the device
            self._failure = failure
            self.get_logger().error(f'{failure}; configure the node again, and activate it')
            self.trigger_deactivate()

    def _take(self, message: Image | CompressedImage, info: Mapping[str, Any]) -> None:
        arrived_ns = time.monotonic_ns()
        engine = self._require_engine()
        header = self._stamped(message.header)
        stamp_ns = nanoseconds(header.stamp)
        gap_s = number(self, 'max_gap')
        self._tally.receive(stamp_ns, arrived_ns, gap_s)
        age_s = self._age_s(stamp_ns)
        self._tally.ages_s.append(age_s)
        if self._is_too_old(age_s) or self._seen_before(stamp_ns):
            return
        self._last_stamp_ns = stamp_ns
        if not engine.accepts(stamp_ns, header.frame_id, gap_s):
            self._tally.counts['skipped'] += 1
            return
        # Both by the clock of the machine, as the middleware has it.
        self._tally.counts['waited'] += info.get('received_timestamp', 0) < self._ready_ns
        try:
            image = rgb_image(message)
            height, width = image.shape[:2]
            self._tally.aspect_ratio = width / height
            began_ns = time.monotonic_ns()
            step = engine.answer(image)
        except ImageError as error:
            self._drop('unusable', f'image of stamp {stamp_ns} can not be used: {error}')
            return
        inference_ns = time.monotonic_ns() - began_ns
        if self._is_usable(step, stamp_ns):
            step = self._limited(step, stamp_ns)
            self._tally.answer(self._publish(header, step) - arrived_ns, inference_ns)
            self._last_answer = header, step
        self._prepare(engine)

    def _prepare(self, engine: Engine) -> None:
        """Have the network ready for the next image, now that the answer is out."""
        began_ns = time.monotonic_ns()
        engine.prepare()
        self._tally.prepare(time.monotonic_ns() - began_ns)
        self._ready_ns = time.time_ns()

    def _stamped(self, header: Header) -> Header:
        if nanoseconds(header.stamp) == 0:
            self.get_logger().warning(
                'image stamp must be set, got 0: the time of arrival is taken',
                throttle_duration_sec=WARN_EVERY_S,
            )
            set_stamp(header, self.get_clock().now().nanoseconds)
        return header

    def _age_s(self, stamp_ns: int) -> float:
        return float(self.get_clock().now().nanoseconds - stamp_ns) / NS_PER_S

    def _is_too_old(self, age_s: float) -> bool:
        limit_s = number(self, 'max_age')
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

    def _is_usable(self, step: Step, stamp_ns: int) -> bool:
        """Whether an answer is a number, and came soon enough for the car to act on it."""
        if not math.isfinite(step.curvature):
            self._require_engine().reset()
            self._drop('not finite', f'curvature must be finite, got {step.curvature}')
            return False
        limit_s, age_s = number(self, 'max_age'), self._age_s(stamp_ns)
        if 0 < limit_s < age_s:
            self._drop(
                'too late',
                f'answer must be out when its image is {limit_s:g} s old (max_age), took until '
                f'{age_s:.3f} s: the network is too slow here',
            )
            return False
        return True

    def _drop(self, reason: str, sentence: str) -> None:
        self._tally.drop(reason)
        # rclpy would count all reasons as one: it throttles by the line.
        now_s = time.monotonic()
        if now_s - self._warned_s.get(reason, -math.inf) >= WARN_EVERY_S:
            self._warned_s[reason] = now_s
            self.get_logger().warning(sentence)

    # Answers

    def _speed_now(self) -> float:
        """m/s, as measured; what is asked for where nothing is."""
        measured = self._speed.current() if self._speed is not None else None
        return number(self, 'cmd_speed') if measured is None else measured

    def _bounds(self) -> Bounds:
        bounds = Bounds()
        if flag(self, 'limit_curvature'):
            angle, acceleration = 'max_tyre_angle', 'max_lateral_acceleration'
            bounds = Bounds(number(self, angle), number(self, acceleration))
        if flag(self, 'limit_rate'):
            bounds = dataclasses.replace(bounds, rate=number(self, 'max_curvature_rate'))
        return bounds

    def _limited(self, step: Step, stamp_ns: int) -> Step:
        curvature, acted = self._limiter.limit(
            step.curvature, stamp_ns, self._speed_now(), self._vehicle, self._bounds()
        )
        for name in acted:
            self._tally.limit(name, time.monotonic_ns())
        return step._replace(curvature=curvature)

    def _publish(self, header: Header, step: Step) -> int:
        """Publish an answer; returns when its curvature was out, on steady ns."""
        if self._outputs is None:
            raise RuntimeError('node must be configured first, found no outputs')
        return self._outputs.publish(header, step, self._speed_now(), self._vehicle)

    # Resets

    def _note_reset(self, reason: str) -> None:
        self._tally.counts['resets'] += 1
        self.get_logger().warning(f'state reset: {reason}', throttle_duration_sec=1.0)

    def _reset(self, reason: str) -> None:
        self._require_engine().reset()
        self._last_stamp_ns = None
        self._note_reset(reason)

    @exclusive
    def _on_clock_jump(self, jump: TimeJump) -> None:
        if self._subscription is None:
            return
        if jump.clock_change != ClockChange.ROS_TIME_NO_CHANGE:
            self._reset('the clock is another (use_sim_time)')
        # Where the stamps went back first, the engine has seen it.
        elif self._last_stamp_ns is not None and self._age_s(self._last_stamp_ns) < 0:
            self._reset(f'the clock went back by {-jump.delta.nanoseconds / NS_PER_S:.3f} s')

    @exclusive
    def _on_reset_request(self, _: Trigger.Request, answer: Trigger.Response) -> Trigger.Response:
        answer.success = self._subscription is not None
        if answer.success:
            self._reset('asked for')
            answer.message = 'state reset'
        else:
            answer.message = f'node must be active to be reset, is {self._state()}'
        return answer

    # Diagnostics

    def _state(self) -> str:
        return str(self._state_machine.current_state[1])

    def _cameras(self) -> int:
        return int(self.count_publishers(self._subscription.topic_name))

    def _problems(self) -> Iterator[Problem]:
        if self._failure:
            yield DiagnosticStatus.ERROR, self._failure
        if self._engine is None or self._subscription is None:
            return
        names = (field.name for field in dataclasses.fields(Thresholds))
        thresholds = Thresholds(**{name: number(self, name) for name in names})
        yield from problems(self._tally, self._engine, thresholds)
        if self._cameras() > 1:
            topic = self._subscription.topic_name
            yield DiagnosticStatus.WARN, f'one camera must publish {topic}, {self._cameras()} do'
        recorded = flag(self, 'use_sim_time') or not number(self, 'max_age')
        if self._engine.name == DEMO and not recorded:
            yield DiagnosticStatus.WARN, 'the demo model must not drive a car: name another model'

    @exclusive
    def _watch(self) -> None:
        """End the process when its device is lost, and say at once that something is worse."""
        if self._lost_device:
            raise NodeError(self._lost_device)
        if worst(self._problems()) > self._level:
            self._report()

    @exclusive
    def _report(self) -> None:
        name, state = self.get_fully_qualified_name(), self._state()
        shown = [('state', state), *values(self._tally, self._engine)]
        status = drive_status(name, state, self._problems(), shown)
        if status.level != self._level and not self._failure:  # which was logged when it came
            # rclpy wants each line of code to log at one level.
            if status.level > DiagnosticStatus.OK:
                self.get_logger().warning(status.message)
            else:
                self.get_logger().info(f'{status.message}, all well')
        self._level = status.level
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)


def main(args: list[str] | None = None) -> int:
    """Run the node until it's told to stop.

    Args:
        args: Command line; the process's own by default.

    Returns:
        Exit status: 1 if a parameter or the model can't be used, or the device is lost.
    """
    return run(NAME, started, args=args)


def started(load: Load = Engine) -> DriveNode:
    """A drive node that is configured and active, if it's to start by itself.

    Args:
        load: Makes the engine.

    Raises:
        NodeError: If it can't be started; the reason was logged.
    """
    node, began = DriveNode(load), False
    try:
        began = node.start()
    finally:
        if not began:
            node.destroy_node()
    if not began:
        raise NodeError('autostart failed, see above')
    return node


if __name__ == '__main__':
    sys.exit(main())
