"""Images in, answers out, on real rclpy."""

import math
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from geometry_msgs.msg import TwistStamped, Vector3Stamped  # noqa: E402
from nav_msgs.msg import Path  # noqa: E402
from rclpy.exceptions import InvalidParameterValueException  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from signattn.nodes import drive_node, overlay_node, replay_node  # noqa: E402
from signattn.nodes.diagnostics import drive_status  # noqa: E402
from signattn.nodes.drive_node import DriveNode  # noqa: E402
from signattn.nodes.messages import (  # noqa: E402
    NS_PER_S,
    image_message,
    nanoseconds,
    set_stamp,
)
from signattn.nodes.parameters import NAMES  # noqa: E402
from signattn.nodes.tally import Tally  # noqa: E402
from signattn.preprocess import ImageError, Preprocessing  # noqa: E402

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
        def step(self, image):
            if image.shape[0] < 4:
                raise ImageError('image must be large enough to be cropped')
            return super().step(image)

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


def test_what_goes_wrong_in_a_transition_is_said(bench, capfd):
    def fail(*_):
        raise RuntimeError('no such network')

    named = [Parameter('model', value='known')]
    node = bench.add(DriveNode(fail, context=bench.context, parameter_overrides=named))
    assert not node.start()
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert 'configure failed: no such network' in capfd.readouterr().err
    assert node._state_machine.current_state[1] == 'unconfigured'


def test_a_transition_that_fails_half_way_leaves_nothing(bench, known_engine, monkeypatch):
    named = [Parameter('model', value='known'), Parameter('autostart', value=False)]
    node = bench.add(
        DriveNode(lambda *_: known_engine(), context=bench.context, parameter_overrides=named)
    )

    def fail(*_, **__):
        raise RuntimeError('no topics left')

    with monkeypatch.context() as patch:
        patch.setattr(node, '_advertise', fail)
        assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert node._engine is None
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    with monkeypatch.context() as patch:
        patch.setattr(node, '_subscribe', fail)
        assert node.trigger_activate() == TransitionCallbackReturn.FAILURE
    assert node._state_machine.current_state[1] == 'inactive'
    assert not node._curvature.is_activated
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS


def test_without_autostart_it_waits(bench, known_engine):
    waiting = [Parameter('autostart', value=False)]
    node = bench.add(
        DriveNode(lambda *_: known_engine(), context=bench.context, parameter_overrides=waiting)
    )
    assert node.start()
    assert node._state_machine.current_state[1] == 'unconfigured'


def test_the_model_is_the_one_that_was_named(bench, known_engine, tmp_path):
    loaded = []

    def load(path, device):
        loaded.append((path, device))
        return known_engine()

    values = {'model': str(tmp_path), 'device': 'cpu'}
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    node = bench.add(DriveNode(load, context=bench.context, parameter_overrides=overrides))
    assert node.start()
    assert loaded == [(tmp_path, 'cpu')]


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
    driven = drive(engine)
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
    assert float(values.pop('latency p50 [ms]')) > 0
    assert float(values.pop('latency p99 [ms]')) > 0
    assert values == {
        'state': 'active',
        'model': 'known',
        'checksum': '0123456789abcdef',
        'device': 'cpu',
        'rate of the model [Hz]': '20',
        'rate of the camera [Hz]': '12.50',
        'received': '13',
        'answered': '12',
        'skipped': '0',
        'resets': '0',
        'dropped: unusable': '1',
    }


def test_diagnostics_of_images_that_are_not_answered(known_engine, monkeypatch):
    tally, engine = Tally(), known_engine()
    now_ns = 10 * NS_PER_S
    monkeypatch.setattr('time.monotonic_ns', lambda: now_ns)

    def status():
        return drive_status('/signattn', 'active', tally, engine)

    for i in range(50):
        tally.receive(START_NS + i * TICK_NS, now_ns - 3 * NS_PER_S)
        tally.answer(1)
    for i in range(50, 100):
        tally.receive(START_NS + i * TICK_NS, now_ns - 2 * NS_PER_S)
        tally.drop('too old' if i % 5 else 'unusable')
    assert (status().level, status().message) == (DiagnosticStatus.STALE, 'no image for 2.0 s')
    tally.receive(START_NS + 100 * TICK_NS, now_ns)
    said = status()
    assert said.level == DiagnosticStatus.ERROR
    assert said.message == 'images come, none was answered for 2.0 s: 40 dropped, too old'
    engine.preprocessing = Preprocessing(rate_hz=0.5)
    assert status().level == DiagnosticStatus.OK  # a step every 2 s
    engine.preprocessing = Preprocessing()
    tally.answer(1)
    assert status().level == DiagnosticStatus.OK


def test_diagnostics_without_images(bench):
    bench.drive_node()
    reports = bench.listen(bench.plain_node(), DiagnosticArray, '/diagnostics')
    bench.spin_until(lambda: reports)
    assert reports[0].status[0].level == DiagnosticStatus.STALE
    assert reports[0].status[0].message == 'no image yet'
