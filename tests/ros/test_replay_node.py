"""Recordings as camera: the messages, and what the network sees of them."""

import contextlib
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy')

import rclpy  # noqa: E402
from geometry_msgs.msg import TwistStamped, Vector3Stamped  # noqa: E402
from rclpy.executors import ExternalShutdownException  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402

from signattn.bag import BagWriter, open_recording  # noqa: E402
from signattn.convert import convert  # noqa: E402
from signattn.model import Checkpoint, Network, NetworkConfig  # noqa: E402
from signattn.nodes import ledger  # noqa: E402
from signattn.nodes.answers import attention_message, curvature_message  # noqa: E402
from signattn.nodes.messages import nanoseconds  # noqa: E402
from signattn.nodes.process import NodeError  # noqa: E402
from signattn.nodes.replay_node import ReplayNode, camera_message  # noqa: E402
from signattn.preprocess import Preprocessing  # noqa: E402
from signattn.stream import Engine  # noqa: E402
from signattn.vehicle import curvature_from_steering, load_vehicle  # noqa: E402

START_NS = 1_479_424_215_880_976_321
TICK_NS = 50_000_000


class SpyEngine(Engine):
    """The real engine, which remembers the network's input."""

    def __init__(self):
        torch.manual_seed(3)
        network = Network(NetworkConfig(hidden=4)).eval()
        super().__init__(
            Checkpoint(network, Preprocessing().to_mapping(), load_vehicle()), device='cpu'
        )
        self.frames = []

    def answer_frame(self, frame):
        self.frames.append(frame)
        return super().answer_frame(frame)


def write_bag(path, kind, count=3):
    random = np.random.default_rng(5)
    with BagWriter(path, 'mcap') as bag:
        for i in range(count):
            rgb = random.integers(0, 256, (121, 163, 3), np.uint8)
            write = bag.raw_image if kind is Image else bag.image
            write(START_NS + i * TICK_NS, rgb)
    return path


@pytest.mark.parametrize(('kind', 'transport'), [(Image, 'raw'), (CompressedImage, 'compressed')])
def test_node_and_conversion_give_the_network_the_same_input(bench, tmp_path, kind, transport):
    bag = write_bag(tmp_path / 'bag', kind)
    drive = convert(bag, tmp_path / 'drive')
    engine = SpyEngine()
    bench.drive_node(engine, {'image_transport': transport})
    engine.frames.clear()  # of the warm-up
    topic = 'image' if kind is Image else 'image/compressed'
    camera = bench.talk(bench.plain_node(), kind, topic)
    with open_recording(bag) as recording:
        for i, image in enumerate(recording.images()):
            camera.publish(camera_message(image))
            bench.spin_until(lambda i=i: len(engine.frames) > i)
    np.testing.assert_array_equal(np.stack(engine.frames), drive.frames)


@pytest.mark.parametrize('kind', [Image, CompressedImage])
def test_messages_are_what_was_recorded(tmp_path, kind):
    bag = write_bag(tmp_path / 'bag', kind, 1)
    with open_recording(bag) as recording:
        (image,) = recording.images()
    message = camera_message(image)
    assert isinstance(message, kind)
    assert nanoseconds(message.header.stamp) == START_NS
    assert message.header.frame_id == 'center_camera'
    assert bytes(message.data) == image.data.tobytes()
    if kind is Image:
        assert (message.encoding, message.height, message.width) == ('rgb8', 121, 163)
        assert message.step == 3 * 163
    else:
        assert message.format == 'jpeg'


def replay_node(bench, **values):
    overrides = [Parameter(name, value=value) for name, value in values.items()]
    return bench.add(ReplayNode(context=bench.context, parameter_overrides=overrides))


def test_without_a_drive_node_it_says_so(bench, tmp_path):
    bag = write_bag(tmp_path / 'bag', Image)
    node = replay_node(bench, source=str(bag), wait=0.2)
    with pytest.raises(NodeError, match=r'must listen to /image .* none in 0\.2 s'):
        node.play()


@pytest.mark.parametrize(
    ('kind', 'other', 'topic', 'advice'),
    [
        (Image, CompressedImage, 'image/compressed', 'image_transport:=raw'),
        (CompressedImage, Image, 'image', 'image_transport:=compressed'),
    ],
)
def test_a_drive_node_on_the_other_topic_is_pointed_out(
    bench, tmp_path, kind, other, topic, advice
):
    node = replay_node(bench, source=str(write_bag(tmp_path / 'bag', kind)), wait=0.2)
    bench.plain_node().create_subscription(other, topic, lambda _: None, 10)
    bench.spin_until(lambda: node.count_subscribers(topic))
    with pytest.raises(NodeError, match=f'somebody listens to /{topic}, .* set {advice}'):
        node.play()


def test_without_rosbags_it_says_what_to_install(tmp_path):
    code = (
        'import sys; sys.modules["rosbags"] = None; '
        'from signattn.nodes.replay_node import main; sys.exit(main())'
    )
    command = [sys.executable, '-c', code, '--ros-args', '-p', f'source:={tmp_path}']
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert 'rosbags must be installed to read recordings' in ended.stderr
    assert 'pip install rosbags' in ended.stderr
    assert 'Traceback' not in ended.stderr


def test_a_node_that_never_answers_is_given_up(bench, tmp_path, monkeypatch):
    bag = write_bag(tmp_path / 'bag', Image, 12)
    out = tmp_path / 'out'
    values = {'mode': 'lockstep', 'timeout': 0.01, 'resends': 1, 'out': str(out)}
    node = replay_node(bench, source=str(bag), **values)
    monkeypatch.setattr(node, '_is_connected', lambda: True)
    with pytest.raises(NodeError, match='images must be answered, 10 in a row were not'):
        node.play()
    assert not out.exists()


def test_a_source_that_is_none_ends_the_process(tmp_path):
    command = [sys.executable, '-m', 'signattn.nodes.replay_node', '--ros-args']
    command += ['-p', f'source:={tmp_path}']
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert 'must hold the files of a ROS 2 bag' in ended.stderr
    assert 'Traceback' not in ended.stderr


def driven_bag(path, count=4):
    """A bag with pictures at 20 Hz, 0.02·i rad at the wheel and 10 + i m/s 1 ms before each."""
    with BagWriter(path, 'mcap') as bag:
        for i in range(count):
            stamp_ns = START_NS + i * TICK_NS
            bag.steering(stamp_ns - 1_000_000, 0.02 * i, 10.0 + i)
            bag.raw_image(stamp_ns, np.full((4, 6, 3), i, np.uint8))
    return path


class Played:
    """A player in a thread of its own, and everything that it sends."""

    def __init__(self, bench, **values):
        # A context of its own: shutting it down ends a player that loops.
        self._context = rclpy.Context()
        rclpy.init(context=self._context, args=[])
        values = {'wait': 0, 'rate': 10, 'timeout': 0.01} | values
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        self.node = ReplayNode(context=self._context, parameter_overrides=overrides)
        listener = bench.plain_node('listener')
        images = self.node._images
        self.images = bench.listen(listener, images.msg_type, images.topic_name, 100)
        self.speeds = bench.listen(listener, TwistStamped, 'speed', 100)
        self.driven = bench.listen(listener, Vector3Stamped, 'driven', 100)
        sending = (images, self.node._speeds, self.node._driven)
        bench.spin_until(lambda: all(sender.get_subscription_count() for sender in sending))
        bench.spin_for(0.1)
        self._thread = threading.Thread(target=self._play)

    def _play(self):
        with contextlib.suppress(ExternalShutdownException):
            self.node.play()

    def start(self):
        self._thread.start()

    def running(self):
        return self._thread.is_alive()

    def end(self):
        rclpy.shutdown(context=self._context)
        if self._thread.ident:
            self._thread.join(20)
        self.node.destroy_node()


@pytest.fixture
def played(bench):
    """Gives players, which are ended with the test."""
    with contextlib.ExitStack() as stack:

        def make(**values):
            player = Played(bench, **values)
            stack.callback(player.end)
            return player

        yield make


def stamps(messages):
    return [nanoseconds(message.header.stamp) for message in messages]


def test_a_recording_is_camera_speed_and_truth(bench, played, tmp_path):
    player = played(source=str(driven_bag(tmp_path / 'bag')))
    player.start()
    bench.spin_until(lambda: len(player.images) == len(player.speeds) == 4)
    bench.spin_until(lambda: len(player.driven) == 3)
    ticks = [START_NS + i * TICK_NS for i in range(4)]
    assert stamps(player.images) == ticks
    assert [message.data[0] for message in player.images] == [0, 1, 2, 3]
    assert stamps(player.speeds) == [tick - 1_000_000 for tick in ticks]
    assert [message.twist.linear.x for message in player.speeds] == [10, 11, 12, 13]
    # The last picture comes 1 ms behind the last label.
    assert stamps(player.driven) == ticks[:3]
    angle, speed = 0.02 * 1.02, 11.02  # 1 ms of 50 behind the second label
    curvature = curvature_from_steering(angle, speed, load_vehicle())
    assert player.driven[1].vector.z == pytest.approx(float(curvature), rel=1e-6)
    assert {message.header.frame_id for message in player.speeds} == {'base_link'}


@pytest.mark.parametrize('assumed', [0, 20])
def test_without_speed_there_is_no_truth_unless_one_is_assumed(
    bench, played, tmp_path, capfd, assumed
):
    (tmp_path / '0.png').write_bytes(b'no picture, but an image that can be sent')
    (tmp_path / 'interpolated.csv').write_text(
        f'timestamp,filename,angle\n{START_NS},0.png,0.1\n', encoding='utf-8'
    )
    player = played(source=str(tmp_path), assume_speed=assumed)
    player.start()
    bench.spin_until(lambda: player.images and not player.running())
    bench.spin_until(lambda: bool(player.driven) == bool(assumed))
    driven = float(curvature_from_steering(0.1, 20, load_vehicle()))
    heard = [message.vector.z for message in player.driven]
    assert heard == ([pytest.approx(driven)] if assumed else [])
    said = 'what was driven is not played' in capfd.readouterr().err
    assert said == (not assumed)


def test_a_start_leaves_out_what_comes_before(bench, played, tmp_path):
    player = played(source=str(driven_bag(tmp_path / 'bag')), start=0.1)
    player.start()
    bench.spin_until(lambda: len(player.images) == 2)
    assert stamps(player.images) == [START_NS + 2 * TICK_NS, START_NS + 3 * TICK_NS]


def test_a_start_behind_the_end_is_refused(bench, tmp_path):
    node = replay_node(bench, source=str(driven_bag(tmp_path / 'bag')), start=0.16)
    with pytest.raises(NodeError, match=r'^start must lie before the end .* got 0\.16 s$'):
        node.play()


def test_a_loop_begins_anew(bench, played, tmp_path):
    player = played(source=str(driven_bag(tmp_path / 'bag')), loop=True)
    player.start()
    bench.spin_until(lambda: len(player.images) >= 9)
    assert stamps(player.images)[:9] == [START_NS + i % 4 * TICK_NS for i in range(9)]
    assert len(player.node._ledger.entries) <= 4


@pytest.mark.parametrize('values', [{'mode': 'lockstep'}, {'out': 'folder'}])
def test_a_loop_that_cannot_be_is_refused(bench, values):
    with pytest.raises(NodeError, match='loop must be false in lockstep and with out, got true'):
        replay_node(bench, loop=True, **values)


@pytest.mark.parametrize('mode', ['realtime', 'lockstep'])
def test_it_stands_while_it_is_paused(bench, played, tmp_path, mode):
    bag = str(driven_bag(tmp_path / 'bag'))
    player = played(source=bag, paused=True, mode=mode, resends=0)
    player.start()
    bench.spin_for(0.3)
    assert player.running()
    assert not player.images
    (result,) = player.node.set_parameters([Parameter('paused', value=False)])
    assert result.successful
    bench.spin_until(lambda: len(player.images) == 4)


def test_a_camera_of_another_rate(bench, played, tmp_path):
    player = played(source=str(driven_bag(tmp_path / 'bag')), camera_hz=40)
    player.start()
    bench.spin_until(lambda: len(player.images) == 7)
    assert stamps(player.images) == [START_NS + i * TICK_NS // 2 for i in range(7)]
    assert [message.data[0] for message in player.images] == [0, 0, 1, 1, 2, 2, 3]
    assert len(player.driven) == 6  # between the labels, for every one of them


@pytest.mark.parametrize('mode', ['realtime', 'lockstep'])
def test_the_clock_is_that_of_the_recording(bench, played, tmp_path, mode):
    bag = str(driven_bag(tmp_path / 'bag'))
    player = played(source=bag, clock_hz=200, mode=mode, resends=0, rate=1)
    clock = bench.listen(bench.plain_node('watch'), Clock, '/clock', 100)
    bench.spin_until(player.node._time.get_subscription_count)
    player.start()
    bench.spin_until(lambda: len(player.images) == 4 and not player.running())
    told = [nanoseconds(message.clock) for message in clock]
    assert told == sorted(told)
    assert len(told) >= 4
    assert START_NS <= told[0] < START_NS + TICK_NS
    assert told[-1] >= START_NS + 3 * TICK_NS
    if mode == 'lockstep':
        assert set(told) == set(stamps(player.images))


def test_in_lockstep_an_unanswered_stamp_is_sent_again(bench, played, tmp_path):
    out = tmp_path / 'out'
    out.mkdir()
    values = {'mode': 'lockstep', 'timeout': 0.05, 'resends': 99, 'out': str(out)}
    player = played(source=str(driven_bag(tmp_path / 'bag')), wait=20, **values)
    deaf = bench.plain_node('deaf')  # answers only what it hears for the second time
    curvature = deaf.create_publisher(Vector3Stamped, 'signattn/curvature', 10)
    attention = deaf.create_publisher(Image, 'signattn/attention', 10)
    heard = []

    def answer(image):
        heard.append(nanoseconds(image.header.stamp))
        if heard.count(heard[-1]) == 2:
            curvature.publish(curvature_message(image.header, 0.01 * image.data[0]))
            weights = np.full((10, 20), 1 / 200, np.float32)
            attention.publish(attention_message(image.header, weights))

    deaf.create_subscription(Image, 'image', answer, 10)
    player.start()
    bench.spin_until((out / 'answers.csv').exists)
    ticks = [START_NS + i * TICK_NS for i in range(4)]
    assert list(dict.fromkeys(heard)) == ticks
    entries = ledger.read(out)
    assert [(entry.stamp_ns, entry.curvature) for entry in entries] == [
        (tick, pytest.approx(0.01 * i)) for i, tick in enumerate(ticks)
    ]
