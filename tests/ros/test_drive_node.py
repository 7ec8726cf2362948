"""Images in, answers out, on real rclpy."""

import gc
import itertools
import math
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from geometry_msgs.msg import Twist, TwistStamped, Vector3, Vector3Stamped  # noqa: E402
from nav_msgs.msg import Odometry, Path  # noqa: E402
from rclpy.exceptions import InvalidParameterValueException  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import HistoryPolicy, ReliabilityPolicy  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from signattn.model import Checkpoint, Network, NetworkConfig  # noqa: E402
from signattn.nodes import drive_node, outputs, overlay_node, replay_node  # noqa: E402
from signattn.nodes.drive_node import DriveNode  # noqa: E402
from signattn.nodes.messages import (  # noqa: E402
    image_message,
    nanoseconds,
    set_stamp,
)
from signattn.nodes.parameters import NAMES  # noqa: E402
from signattn.preprocess import NS_PER_S, ImageError, Preprocessing  # noqa: E402
from signattn.stream import Engine  # noqa: E402
from signattn.vehicle import load_vehicle  # noqa: E402

START_NS = 1_479_424_215_880_976_321
TICK_NS = 50_000_000


def picture(level=40):
    pixels = np.full((12, 24, 3), level, np.uint8)
    pixels[:, 12:] += 2  # mean: level + 1
    return pixels


def camera_image(stamp_ns, pixels=None, encoding='rgb8', frame_id='center_camera'):
    header = Header(frame_id=frame_id)
    set_stamp(header, stamp_ns)
    return image_message(picture() if pixels is None else pixels, encoding, header)


@pytest.fixture
def drive(bench, known_engine):
    """A drive node, its engine, a camera, and what comes out of it."""

    class Drive:
        def __init__(self, engine=None, **kwargs):
            self.engine = engine or known_engine()
            self.node = bench.drive_node(self.engine, **kwargs)
            self.tester = bench.plain_node()
            self.curvatures = self.listen(Vector3Stamped, 'curvature')
            self.camera = bench.talk(self.tester, Image, 'image')

        def listen(self, kind, name):
            return bench.listen(self.tester, kind, f'signattn/{name}')

        def send(self, *messages):
            for message in messages:
                count = self.tally.counts['received']
                self.camera.publish(message)
                bench.spin_until(lambda count=count: self.tally.counts['received'] > count)
            bench.spin_for(0.05)

        @property
        def tally(self):
            return self.node._tally

        @property
        def stamps(self):
            return [nanoseconds(message.header.stamp) for message in self.curvatures]

    return Drive


def test_answers_carry_the_stamp(drive, bench):
    driven = drive()
    attentions, paths = driven.listen(Image, 'attention'), driven.listen(Path, 'path')
    sent = [START_NS + i * TICK_NS for i in range(3)]
    for i, stamp_ns in enumerate(sent):
        driven.send(camera_image(stamp_ns, picture(40 + 10 * i)))
        bench.spin_until(lambda i=i: min(map(len, (driven.curvatures, attentions, paths))) > i)
    assert driven.stamps == sent
    assert [message.vector.z for message in driven.curvatures] == [0.041, 0.051, 0.061]
    assert {message.header.frame_id for message in driven.curvatures} == {'base_link'}

    assert [nanoseconds(message.header.stamp) for message in attentions] == sent
    first = attentions[0]
    assert (first.encoding, first.height, first.width, first.step) == ('32FC1', 10, 20, 80)
    assert first.header.frame_id == 'center_camera'
    weights = np.frombuffer(first.data, np.float32)
    assert weights[0] == 1
    assert not weights[1:].any()

    assert [nanoseconds(message.header.stamp) for message in paths] == sent
    assert {message.header.frame_id for message in paths} == {'base_link'}
    end = paths[0].poses[-1].pose  # 30 m at 0.041 1/m
    assert end.position.x == pytest.approx(math.sin(30 * 0.041) / 0.041)
    assert end.position.y == pytest.approx((1 - math.cos(30 * 0.041)) / 0.041)
    assert driven.tester.count_publishers('signattn/cmd') == 0


def test_cmd_has_the_speed_that_was_asked_for(drive, bench):
    driven = drive(parameters={'publish_cmd': True, 'cmd_speed': 10})
    commands = driven.listen(TwistStamped, 'cmd')
    driven.send(camera_image(START_NS))
    bench.spin_until(lambda: commands)
    assert commands[0].twist.linear.x == 10
    assert commands[0].twist.angular.z == pytest.approx(0.41)
    assert nanoseconds(commands[0].header.stamp) == START_NS


def test_padded_rows_are_the_same_picture(drive):
    driven = drive()
    plain = camera_image(START_NS)
    padded = camera_image(START_NS + TICK_NS, np.pad(picture(), ((0, 0), (0, 4), (0, 0))))
    padded.width -= 4
    assert padded.step == plain.step + 12
    driven.send(plain, padded)
    first, second = driven.engine.seen
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    'changes',
    [
        pytest.param({'encoding': 'thermal16'}, id='unknown encoding'),
        pytest.param({'height': 0, 'width': 0, 'step': 0, 'data': []}, id='nothing'),
        pytest.param({'height': 1000}, id='too few bytes'),
        pytest.param({'step': 3}, id='rows too short'),
    ],
)
def test_an_unusable_image_is_dropped_and_the_node_lives_on(drive, capfd, changes):
    driven = drive()
    broken = camera_image(START_NS)
    for name, value in changes.items():
        setattr(broken, name, value)
    driven.send(broken, camera_image(START_NS + TICK_NS))
    assert driven.stamps == [START_NS + TICK_NS]
    assert driven.tally.dropped == {'unusable': 1}
    assert f'image of stamp {START_NS} can not be used' in capfd.readouterr().err


def test_an_image_too_small_for_the_crop_is_dropped(drive, known_engine):
    class Cropping(known_engine):
        def answer(self, image):
            if image.shape[0] < 4:
                raise ImageError('image must be large enough to be cropped')
            return super().answer(image)

    driven = drive(Cropping())
    driven.send(camera_image(START_NS, picture()[:1]), camera_image(START_NS + TICK_NS))
    assert driven.stamps == [START_NS + TICK_NS]
    assert driven.tally.dropped == {'unusable': 1}


def test_every_reason_is_said_once_at_first(drive, capfd):
    driven = drive()
    broken = [camera_image(START_NS + i, encoding='thermal16') for i in (0, 0, TICK_NS)]
    driven.send(*broken)
    said = capfd.readouterr().err
    assert said.count('can not be used') == said.count('must have a stamp of its own') == 1


def test_the_smallest_image_is_answered(drive):
    driven = drive()
    driven.send(camera_image(START_NS, np.full((1, 1, 3), 9, np.uint8)))
    assert [message.vector.z for message in driven.curvatures] == [0.009]


@pytest.mark.parametrize(
    ('second_ns', 'resets'),
    [
        pytest.param(START_NS + 500_000_000, 0, id='gap as long as allowed'),
        pytest.param(START_NS + 500_000_001, 1, id='gap too long'),
        pytest.param(START_NS - 1, 1, id='stamp goes back'),
    ],
)
def test_a_break_in_time_resets_the_state(drive, capfd, second_ns, resets):
    driven = drive()
    driven.send(camera_image(START_NS), camera_image(second_ns))
    assert driven.stamps == [START_NS, second_ns]
    assert driven.tally.counts['resets'] == resets
    assert capfd.readouterr().err.count('state reset: ') == resets


def test_another_camera_resets_the_state(drive):
    driven = drive()
    driven.send(
        camera_image(START_NS),
        camera_image(START_NS + TICK_NS, frame_id='left_camera'),
        camera_image(START_NS + 2 * TICK_NS, picture()[:6], frame_id='left_camera'),
    )
    assert driven.tally.counts['resets'] == 2
    assert len(driven.curvatures) == 3


def test_images_between_two_ticks_are_skipped(drive):
    driven = drive()
    driven.send(*(camera_image(START_NS + i * TICK_NS // 2) for i in range(6)))
    assert driven.stamps == [START_NS + i * TICK_NS for i in range(3)]
    assert driven.tally.counts['skipped'] == 3


def test_an_old_image_is_dropped(drive, capfd):
    driven = drive(parameters={'max_age': 5})
    now_ns = driven.node.get_clock().now().nanoseconds
    driven.send(camera_image(START_NS), camera_image(now_ns))
    assert driven.stamps == [now_ns]
    assert driven.tally.dropped == {'too old': 1}
    assert 'set use_sim_time and play it with --clock' in capfd.readouterr().err


def test_a_stamp_of_zero_becomes_the_time_of_arrival(drive):
    driven = drive()
    before_ns = driven.node.get_clock().now().nanoseconds
    driven.send(camera_image(0))
    assert before_ns < driven.stamps[0] < before_ns + 60_000_000_000


def test_a_camera_that_repeats_a_stamp_is_not_answered_again(drive):
    driven = drive()
    driven.send(camera_image(START_NS), camera_image(START_NS))
    assert driven.stamps == [START_NS]
    assert driven.tally.dropped == {'same stamp': 1}


def test_in_lockstep_a_repeated_stamp_is_answered_again_without_a_step(drive):
    driven = drive(parameters={'qos_overrides./image.subscription.reliability': 'reliable'})
    driven.send(camera_image(START_NS), camera_image(START_NS))
    assert driven.stamps == [START_NS, START_NS]
    assert len(driven.engine.seen) == 1


def test_compressed_images_follow_a_remap_of_image(bench, known_engine):
    import cv2

    engine = known_engine()
    remap = ['--ros-args', '-r', 'image:=/front/image_color']
    bench.drive_node(engine, {'image_transport': 'compressed'}, cli_args=remap)
    camera = bench.talk(bench.plain_node(), CompressedImage, '/front/image_color/compressed')
    message = CompressedImage(format='png')
    set_stamp(message.header, START_NS)
    message.data = cv2.imencode('.png', picture()[..., ::-1])[1].tobytes()
    camera.publish(message)
    bench.spin_until(lambda: engine.seen)
    np.testing.assert_array_equal(engine.seen[0], picture())


def test_two_vehicles_do_not_hear_each_other(bench, known_engine):
    engines = known_engine(), known_engine()
    tester = bench.plain_node()
    heard, cameras = [], []
    for engine, name in zip(engines, ('one', 'two'), strict=True):
        bench.drive_node(engine, namespace=name)
        heard.append(bench.listen(tester, Vector3Stamped, f'/{name}/signattn/curvature'))
        cameras.append(bench.talk(tester, Image, f'/{name}/image'))
    cameras[0].publish(camera_image(START_NS))
    bench.spin_until(lambda: heard[0])
    bench.spin_for(0.2)
    assert len(engines[0].seen) == 1
    assert heard[1] == engines[1].seen == []


def test_lifecycle(drive, bench):
    driven = drive()
    node, engine = driven.node, driven.engine
    driven.send(camera_image(START_NS))
    assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    bench.spin_until(lambda: not driven.camera.get_subscription_count())
    driven.camera.publish(camera_image(START_NS + TICK_NS))
    bench.spin_for(0.2)
    assert driven.stamps == [START_NS]

    resets = engine.resets
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    assert engine.resets == resets + 1
    assert driven.tally.silence_s(0) is None  # it wasn't listening
    bench.spin_until(driven.camera.get_subscription_count)
    bench.spin_for(0.1)
    driven.send(camera_image(START_NS))
    assert driven.stamps == [START_NS, START_NS]

    for trigger in (node.trigger_deactivate, node.trigger_cleanup):
        assert trigger() == TransitionCallbackReturn.SUCCESS
    assert node._engine is None
    bench.spin_until(lambda: not driven.tester.count_publishers('signattn/curvature'))
    for trigger in (node.trigger_configure, node.trigger_activate, node.trigger_shutdown):
        assert trigger() == TransitionCallbackReturn.SUCCESS


def test_the_model_is_the_one_that_was_named(bench, known_engine, tmp_path):
    loaded = []

    def load(*asked):
        loaded.append(asked)
        return known_engine()

    values = {'model': str(tmp_path), 'device': 'cpu', 'backend': 'onnx', 'weights': 'int8'}
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    node = bench.add(DriveNode(load, context=bench.context, parameter_overrides=overrides))
    assert node.start()
    assert loaded == [(tmp_path, 'cpu', 'onnx', 'int8')]


def run_node(*parameters):
    command = [sys.executable, '-m', 'signattn.nodes.drive_node', '--ros-args']
    for parameter in parameters:
        command += ['-p', parameter]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_missing_model_ends_the_process(tmp_path):
    ended = run_node(f'model:={tmp_path}')
    assert ended.returncode == 1
    assert f'configure failed: model must be a folder with model.yaml, got {tmp_path}' in (
        ended.stderr
    )
    assert 'Traceback' not in ended.stderr


def test_a_parameter_out_of_range_ends_the_process():
    ended = run_node('max_gap:=-1')
    assert ended.returncode == 1
    assert 'max_gap must be a number in [0.01, 60], got -1' in ended.stderr
    assert 'Traceback' not in ended.stderr


def test_a_misspelt_parameter_in_a_file_ends_the_process(tmp_path):
    path = tmp_path / 'drive.yaml'
    path.write_text('/**/signattn:\n  ros__parameters:\n    max_agee: 1.0\n', encoding='utf-8')
    command = [sys.executable, '-m', 'signattn.nodes.drive_node', '--ros-args']
    command += ['--params-file', str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert "got 'max_agee'; did you mean 'max_age'?" in ended.stderr
    assert 'Traceback' not in ended.stderr


@pytest.mark.parametrize(
    'name', ['strength', 'use_sim_time', 'qos_overrides./image.subscription.depth']
)
def test_parameters_of_ros_and_of_the_other_nodes_are_passed_over(bench, name):
    value = {'strength': 0.5, 'use_sim_time': False}.get(name, 2)
    bench.drive_node(parameters={name: value})


def test_the_names_of_all_nodes_are_known():
    tables = (drive_node.PARAMETERS, overlay_node.PARAMETERS, replay_node.PARAMETERS)
    assert {parameter.name for table in tables for parameter in table} == NAMES


@pytest.mark.parametrize(
    ('name', 'value', 'accepted'),
    [
        ('max_age', 1, True),
        ('max_age', 1.5, True),
        ('max_age', math.nan, False),
        ('max_age', -0.1, False),
        ('max_age', True, False),
        ('max_age', 'soon', False),
        ('model', 'other', False),
        ('threads', 2, False),
    ],
)
def test_parameters_that_change_while_it_runs(bench, name, value, accepted):
    node = bench.drive_node()
    result = node.set_parameters([Parameter(name, value=value)])[0]
    assert result.successful == accepted
    assert accepted or name in result.reason


def test_a_wrong_choice_is_refused(bench):
    with pytest.raises(
        InvalidParameterValueException,
        match=r"image_transport must be one of raw, compressed, got 'theora'",
    ):
        bench.drive_node(parameters={'image_transport': 'theora'})


def test_diagnostics(bench, drive, known_engine):
    engine = known_engine(preprocessing=Preprocessing(aspect_ratio=4 / 3))
    driven = drive(engine, parameters={'stale_after': 60})
    reports = bench.listen(driven.tester, DiagnosticArray, '/diagnostics')
    # 12.5 images/s of 2:1, and a broken one.
    broken = camera_image(START_NS + 12 * 80_000_000, encoding='thermal16')
    driven.send(*(camera_image(START_NS + i * 80_000_000) for i in range(12)), broken)
    reports.clear()
    bench.spin_until(lambda: reports)
    (status,) = reports[0].status
    assert status.name == '/signattn: steering curvature'
    assert status.level == DiagnosticStatus.WARN
    assert status.message == (
        'camera must give at least 16 images/s, gives 12.5; '
        'aspect ratio must be 1.333 as in training, is 2.000'
    )
    values = {value.key: value.value for value in status.values}
    for part in ('inference', 'pipeline', 'preparation'):
        assert 0 < float(values.pop(f'{part} p50 [ms]')) <= float(values.pop(f'{part} p99 [ms]'))
    for percent in (50, 99):  # years
        assert float(values.pop(f'age of the images p{percent} [ms]')) > 1e11
    assert values == {
        'state': 'active',
        'model': 'known',
        'checksum': '0123456789abcdef',
        'device': 'cpu',
        'back end': 'torch on cpu',
        'rate of the model [Hz]': '20',
        'rate of the camera [Hz]': '12.50',
        'received': '13',
        'answered': '12',
        'skipped': '0',
        'waited': '0',
        'resets': '0',
        'missed': '0',
        'dropped: unusable': '1',
    }


def test_diagnostics_without_images(bench):
    bench.drive_node()
    reports = bench.listen(bench.plain_node(), DiagnosticArray, '/diagnostics')
    bench.spin_until(lambda: reports)
    assert reports[0].status[0].level == DiagnosticStatus.STALE
    assert reports[0].status[0].message == 'no image yet'


def test_images_that_came_while_the_network_was_busy_are_counted(drive, known_engine, bench):
    class Busy(known_engine):
        def answer(self, image):
            if not self.seen:
                for i in (1, 2, 3):
                    driven.camera.publish(camera_image(START_NS + i * TICK_NS))
                # Until the last one is there, which puts the others out of the queue.
                time.sleep(0.5)
            return super().answer(image)

    driven = drive(Busy())
    driven.send(camera_image(START_NS))
    bench.spin_until(lambda: len(driven.curvatures) == 2)
    assert driven.stamps == [START_NS, START_NS + 3 * TICK_NS]
    assert driven.tally.counts['missed'] == 2


def test_the_network_prepares_for_the_next_image_when_the_answer_is_out(
    drive, known_engine, monkeypatch
):
    did, publish = [], outputs.Outputs.publish

    class Noting(known_engine):
        def answer(self, image):
            did.append('answer')
            return super().answer(image)

        def prepare(self):
            did.append('prepare')
            super().prepare()

    def noted(*args):
        did.append('publish')
        return publish(*args)

    monkeypatch.setattr(outputs.Outputs, 'publish', noted)
    driven = drive(Noting())
    driven.send(camera_image(START_NS), camera_image(START_NS + TICK_NS))
    assert did == 2 * ['answer', 'publish', 'prepare']


def test_an_image_that_comes_before_the_network_is_ready_waits_and_is_counted(
    drive, known_engine, bench
):
    class Busy(known_engine):
        def prepare(self):
            super().prepare()
            if len(self.seen) == 1:
                driven.camera.publish(camera_image(START_NS + TICK_NS))
                time.sleep(0.3)

    driven = drive(Busy())
    driven.send(camera_image(START_NS))
    bench.spin_until(lambda: len(driven.curvatures) == 2)
    assert driven.tally.counts['waited'] == 1
    driven.send(camera_image(START_NS + 2 * TICK_NS))
    assert len(driven.curvatures) == 3
    assert driven.tally.counts['waited'] == 1


def engine_of(seed=0, kind=Engine, *, forgetful=False):
    torch.manual_seed(seed)
    network = Network(NetworkConfig(hidden=4)).eval()
    if forgetful:
        torch.nn.init.zeros_(network.gate.weight)  # the state has no part in the answer
    return kind(Checkpoint(network, Preprocessing().to_mapping(), load_vehicle()), 'cpu')


def test_the_state_goes_on_behind_an_answer_that_was_not_published(drive):
    """Of two streams of the same pictures, one has a second answer that comes too late."""
    images = np.random.default_rng(0).integers(0, 256, (3, 12, 24, 3), np.uint8)

    class Late(Engine):
        def answer(self, image):
            limit_s = 0.5 if np.array_equal(image, images[1]) else 60.0
            driven.node.set_parameters([Parameter('max_age', value=limit_s)])
            return super().answer(image)

    alone = engine_of()
    want = [alone.step(image).curvature for image in images]
    driven = drive(engine_of(kind=Late), parameters={'max_age': 60})
    now_ns = driven.node.get_clock().now().nanoseconds - NS_PER_S
    for i, image in enumerate(images):
        driven.send(camera_image(now_ns + i * TICK_NS, image))
        driven.node.set_parameters([Parameter('max_age', value=60.0)])
    got = [message.vector.z for message in driven.curvatures]
    assert driven.tally.dropped == {'too late': 1}
    assert got == pytest.approx([want[0], want[2]], abs=1e-7)


def test_what_is_loaded_is_no_garbage_to_look_through_while_it_drives(bench):
    node = bench.drive_node()
    assert gc.get_freeze_count() > 0
    assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
    assert gc.get_freeze_count() == 0


def test_models_are_switched_and_reset_from_other_threads_while_images_come(drive, bench):
    """Of networks that forget, and pictures all alike, each answer is known."""
    engines = [engine_of(seed, forgetful=True) for seed in (0, 1)]
    answers = [engine.step(picture()).curvature for engine in engines]
    driven = drive(engines[0])
    node, done = driven.node, threading.Event()
    loads = itertools.cycle([engines[1], engines[0]])
    node._load = lambda *_: next(loads)

    def switch():
        for _ in range(6):
            for step in ('deactivate', 'cleanup', 'configure', 'activate'):
                yield getattr(node, f'trigger_{step}')()
            time.sleep(0.05)
        done.set()

    def reset():
        while not done.is_set():
            yield node._on_reset_request(Trigger.Request(), Trigger.Response()).message
            time.sleep(0.002)

    with ThreadPoolExecutor(2) as pool:
        switched, told = pool.submit(lambda: {*switch()}), pool.submit(lambda: {*reset()})
        for i in itertools.count():
            driven.camera.publish(camera_image(START_NS + i * TICK_NS))
            bench.spin_for(0.002)
            if done.is_set():
                break
        assert switched.result() == {TransitionCallbackReturn.SUCCESS}
        assert 'state reset' in told.result()
    got = np.array([message.vector.z for message in driven.curvatures])
    assert np.abs(got[:, None] - answers).min(1).max() < 1e-9
    assert node._tally.dropped == {}


# Answers that must not be published


def test_an_answer_that_comes_too_late_is_not_published(drive, known_engine):
    class Slow(known_engine):
        def answer(self, image):
            # As if half a second had passed: the image is a second old.
            driven.node.set_parameters([Parameter('max_age', value=0.5)])
            return super().answer(image)

    driven = drive(Slow(), parameters={'max_age': 60})
    now_ns = driven.node.get_clock().now().nanoseconds
    driven.send(camera_image(now_ns - NS_PER_S))
    assert driven.curvatures == []
    assert driven.tally.dropped == {'too late': 1}
    assert driven.tally.counts['answered'] == 0


def test_an_answer_that_is_no_number_is_not_published_and_forgotten(drive, known_engine):
    class Broken(known_engine):
        def answer(self, image):
            step = super().answer(image)
            return step._replace(curvature=math.nan) if len(self.seen) == 1 else step

    driven = drive(Broken())
    resets = driven.engine.resets
    driven.send(camera_image(START_NS), camera_image(START_NS + TICK_NS))
    assert driven.stamps == [START_NS + TICK_NS]
    assert driven.tally.dropped == {'not finite': 1}
    assert driven.engine.resets == resets + 1


# Limits, and the angle of the tyres


def test_without_limits_nothing_changes(drive):
    driven = drive(parameters={'max_tyre_angle': 0.01, 'max_curvature_rate': 0.001})
    driven.send(camera_image(START_NS), camera_image(START_NS + TICK_NS, picture(90)))
    assert [message.vector.z for message in driven.curvatures] == [0.041, 0.091]
    assert driven.tally.limited == {}


def test_what_the_vehicle_can_not_drive_is_bounded_everywhere(
    drive, bench, vehicle_file, monkeypatch
):
    monkeypatch.setattr('signattn.nodes.speed.HOLDS_S', math.inf)
    values = {'vehicle': vehicle_file, 'limit_curvature': True, 'max_tyre_angle': 0.04}
    driven = drive(parameters=values | {'publish_cmd': True})
    commands = driven.listen(TwistStamped, 'cmd')
    driven.send(camera_image(START_NS), camera_image(START_NS + TICK_NS, picture(10)))
    bench.spin_until(lambda: len(commands) == 2)
    # 0.04 rad / 2 m; nobody said how fast it is.
    assert [message.vector.z for message in driven.curvatures] == pytest.approx([0.02, 0.011])

    speeds = bench.talk(driven.tester, TwistStamped, 'speed')
    speeds.publish(TwistStamped(twist=Twist(linear=Vector3(x=-10.0))))
    bench.spin_until(driven.node._speed.current)
    live = {'max_lateral_acceleration': 0.5, 'cmd_speed': 2}
    driven.node.set_parameters([Parameter(name, value=value) for name, value in live.items()])
    driven.send(camera_image(START_NS + 2 * TICK_NS))
    bench.spin_until(lambda: len(commands) == 3)
    assert driven.curvatures[2].vector.z == pytest.approx(0.005)  # 0.5 / 10²
    assert commands[2].twist.angular.z == pytest.approx(2 * 0.005)
    assert driven.tally.limited == {'curvature': 2}
    assert 'safety limits act: curvature' in [text for _, text in driven.node._problems()]


def test_the_curvature_changes_no_faster_than_allowed_and_begins_anew(drive, bench):
    driven = drive(parameters={'limit_rate': True, 'max_curvature_rate': 0.2})
    driven.send(camera_image(START_NS, picture(10)), camera_image(START_NS + TICK_NS))
    driven.node.trigger_deactivate()
    driven.node.trigger_activate()
    bench.spin_until(driven.camera.get_subscription_count)
    bench.spin_for(0.1)
    driven.send(camera_image(START_NS + 2 * TICK_NS))
    got = [message.vector.z for message in driven.curvatures]
    assert got == pytest.approx([0.011, 0.021, 0.041])


def test_the_speed_may_come_as_odometry_and_holds_a_second(drive, bench, monkeypatch):
    monkeypatch.setattr('signattn.nodes.speed.HOLDS_S', math.inf)
    driven = drive(parameters={'speed_type': 'odometry', 'cmd_speed': 3})
    assert driven.node._speed_now() == 3
    message = Odometry()
    speeds = bench.talk(driven.tester, Odometry, 'speed')
    for message.twist.twist.linear.x in (8.0, math.nan):  # what is no number is passed over
        speeds.publish(message)
    bench.spin_until(driven.node._speed.current)
    bench.spin_for(0.1)
    assert driven.node._speed_now() == 8
    monkeypatch.setattr('signattn.nodes.speed.HOLDS_S', 0.0)
    assert driven.node._speed_now() == 3


def test_the_tyres_are_told_where_they_are_wanted(drive, bench, vehicle_file, monkeypatch):
    # The package is no wheel: another message carries angle and speed.
    monkeypatch.setattr(outputs, 'message_type', lambda: Vector3Stamped)

    def message(kind, header, angle, speed):
        return kind(header=header, vector=Vector3(x=angle, y=speed))

    monkeypatch.setattr(outputs, 'ackermann_message', message)
    values = {'publish_ackermann': True, 'vehicle': vehicle_file, 'cmd_speed': 10}
    driven = drive(parameters=values)
    tyres = driven.listen(Vector3Stamped, 'ackermann')
    driven.send(camera_image(START_NS))
    bench.spin_until(lambda: tyres)
    # 2 m · 0.041 1/m, twice that at 10 m/s.
    assert (tyres[0].vector.x, tyres[0].vector.y) == (pytest.approx(0.164), 10)
    assert nanoseconds(tyres[0].header.stamp) == START_NS


def test_tyres_without_their_package_are_an_error_that_leaves_nothing(bench, known_engine, capfd):
    values = {'model': 'known', 'publish_ackermann': True}
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    context = bench.context
    node = DriveNode(lambda *_: known_engine(), context=context, parameter_overrides=overrides)
    bench.add(node)
    before = len(list(node.publishers))
    assert not node.start()
    said = capfd.readouterr().err
    assert 'configure failed: publish_ackermann needs the package ackermann_msgs' in said
    assert len(list(node.publishers)) == before


# Resets from outside


def test_the_state_is_reset_when_asked_for(drive, bench):
    driven = drive()
    client = driven.tester.create_client(Trigger, '/signattn/reset')
    bench.spin_until(client.service_is_ready)

    def ask():
        answer = client.call_async(Trigger.Request())
        bench.spin_until(answer.done)
        return answer.result().success, answer.result().message

    resets = driven.engine.resets
    assert ask() == (True, 'state reset')
    assert driven.engine.resets == resets + 1
    assert driven.tally.counts['resets'] == 1
    driven.node.trigger_deactivate()
    assert ask() == (False, 'node must be active to be reset, is inactive')


def clock(time_ns):
    message = Clock()
    message.clock.sec, message.clock.nanosec = divmod(time_ns, NS_PER_S)
    return message


def test_a_bag_that_loops_resets_once_and_a_paused_one_stops_no_diagnostics(drive, bench, capfd):
    driven = drive(parameters={'use_sim_time': True})
    clocks = bench.talk(driven.tester, Clock, '/clock')
    reports = bench.listen(driven.tester, DiagnosticArray, '/diagnostics')

    def tell(time_ns):
        clocks.publish(clock(time_ns))
        bench.spin_until(lambda: driven.node.get_clock().now().nanoseconds == time_ns)

    tell(START_NS + 100 * TICK_NS)
    driven.send(camera_image(START_NS + 100 * TICK_NS))
    tell(START_NS + 300 * TICK_NS)  # forward: the stamps will say whether there was a gap
    assert driven.tally.counts['resets'] == 0
    tell(START_NS)  # the bag loops
    assert driven.tally.counts['resets'] == 1
    driven.send(camera_image(START_NS), camera_image(START_NS + TICK_NS))
    assert driven.tally.counts['resets'] == 1
    said = capfd.readouterr().err
    assert said.count('state reset') == 1
    assert 'state reset: the clock went back by 15.000 s' in said
    # The clock stands still now.
    reports.clear()
    bench.spin_until(lambda: len(reports) >= 2)


def test_where_the_stamps_went_back_first_the_clock_resets_nothing_again(drive, bench):
    driven = drive(parameters={'use_sim_time': True})
    clocks = bench.talk(driven.tester, Clock, '/clock')
    clocks.publish(clock(START_NS + 100 * TICK_NS))
    bench.spin_until(lambda: driven.node.get_clock().now().nanoseconds > START_NS)
    driven.send(camera_image(START_NS + 100 * TICK_NS), camera_image(START_NS))
    assert driven.tally.counts['resets'] == 1
    clocks.publish(clock(START_NS))
    bench.spin_until(lambda: driven.node.get_clock().now().nanoseconds == START_NS)
    assert driven.tally.counts['resets'] == 1


def test_another_clock_resets_the_state(drive):
    driven = drive()
    driven.send(camera_image(START_NS))
    driven.node.set_parameters([Parameter('use_sim_time', value=True)])
    assert driven.tally.counts['resets'] == 1


# What the diagnostics say besides


def test_a_demo_model_on_a_car_is_a_warning(bench, known_engine):
    engine = known_engine()
    engine.name = 'demo'
    node = bench.drive_node(engine, {'max_age': 0.5})
    demo = DiagnosticStatus.WARN, 'the demo model must not drive a car: name another model'
    assert demo in node._problems()
    node.set_parameters([Parameter('max_age', value=0.0)])  # a recording
    assert demo not in node._problems()
    node.set_parameters([Parameter('max_age', value=0.5)])
    engine.name = 'known'
    assert demo not in node._problems()


def test_two_cameras_on_one_topic_are_a_warning(drive, bench):
    driven = drive()
    text = 'one camera must publish /image, 2 do'
    assert text not in [said for _, said in driven.node._problems()]
    bench.talk(driven.tester, Image, 'image')
    bench.spin_until(lambda: text in [said for _, said in driven.node._problems()])
    driven.send(camera_image(START_NS))
    assert driven.stamps == [START_NS]


def test_what_gets_worse_is_said_at_once(drive, bench, monkeypatch):
    driven = drive(parameters={'stale_after': 60})
    driven.send(camera_image(START_NS))
    reported = []
    monkeypatch.setattr(driven.node, '_report', lambda: reported.append(1))
    driven.node._level = DiagnosticStatus.OK
    driven.node._watch()
    assert reported == []
    driven.node.set_parameters([Parameter('stale_after', value=0.05)])
    bench.spin_for(0.1)
    driven.node._watch()
    assert reported


def test_the_log_says_when_the_camera_stops_and_returns(drive, bench, capfd):
    driven = drive()
    driven.send(camera_image(START_NS))
    driven.node._report()
    driven.node.set_parameters([Parameter('stale_after', value=0.05)])
    bench.spin_for(0.1)
    driven.node._report()
    driven.node.set_parameters([Parameter('stale_after', value=60)])
    driven.node._report()
    said = capfd.readouterr().err
    assert said.count('no image for ') == 1
    assert said.count('active, all well') >= 1


@pytest.fixture
def nodes(bench, tmp_path):
    """Each node with its table of parameters."""
    (tmp_path / '0.png').write_bytes(b'')
    (tmp_path / 'interpolated.csv').write_text(
        f'timestamp,filename,angle\n{START_NS},0.png,0.1\n', encoding='utf-8'
    )
    source = [Parameter('source', value=str(tmp_path))]
    player = replay_node.ReplayNode(context=bench.context, parameter_overrides=source)
    overlay = overlay_node.OverlayNode(context=bench.context)
    return {
        'drive': (bench.drive_node(), drive_node.PARAMETERS),
        'overlay': (bench.add(overlay), overlay_node.PARAMETERS),
        'replay': (bench.add(player), replay_node.PARAMETERS),
    }


@pytest.mark.parametrize('name', ['drive', 'overlay', 'replay'])
def test_every_parameter_is_described_and_changes_or_says_that_it_cannot(nodes, name):
    node, parameters = nodes[name]
    for parameter in parameters:
        described = node.describe_parameter(parameter.name)
        assert described.description == parameter.description
        assert described.read_only != parameter.live
        (changed,) = node.set_parameters([Parameter(parameter.name, value=parameter.default)])
        assert changed.successful == parameter.live, changed.reason
        assert parameter.live or 'read-only' in changed.reason
        if type(parameter.default) is float:
            (limits,) = described.floating_point_range
        elif type(parameter.default) is int:
            (limits,) = described.integer_range
        else:
            continue
        assert (limits.from_value, limits.to_value) == (parameter.lower, parameter.upper)


def test_the_newest_image_wins_and_none_is_waited_for(bench):
    profile = bench.drive_node()._subscription.qos_profile
    assert profile.history == HistoryPolicy.KEEP_LAST
    assert profile.depth == 1
    assert profile.reliability == ReliabilityPolicy.BEST_EFFORT


@pytest.mark.parametrize('data', [b'', b'no picture', b'\xff\xd8\xff\xe0 cut short'])
def test_garbage_instead_of_a_jpeg_is_dropped(bench, known_engine, data):
    node = bench.drive_node(known_engine(), {'image_transport': 'compressed'})
    camera = bench.talk(bench.plain_node(), CompressedImage, 'image/compressed')
    message = CompressedImage(format='jpeg', data=data)
    set_stamp(message.header, START_NS)
    camera.publish(message)
    bench.spin_until(lambda: node._tally.dropped)
    assert node._tally.dropped == {'unusable': 1}


def test_a_large_image_is_answered(drive):
    driven = drive()
    driven.send(camera_image(START_NS, np.full((2160, 3840, 3), 40, np.uint8)))
    assert [message.vector.z for message in driven.curvatures] == [0.04]
