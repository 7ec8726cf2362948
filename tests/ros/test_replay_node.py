"""Recordings as camera: the messages, and what the network sees of them."""

import subprocess
import sys

import numpy as np
import pytest
import torch

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy')

from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402

from signattn.bag import BagWriter, open_recording  # noqa: E402
from signattn.convert import convert  # noqa: E402
from signattn.model import Checkpoint, Network, NetworkConfig  # noqa: E402
from signattn.nodes.messages import nanoseconds  # noqa: E402
from signattn.nodes.process import NodeError  # noqa: E402
from signattn.nodes.replay_node import ReplayNode, camera_message  # noqa: E402
from signattn.preprocess import Preprocessing  # noqa: E402
from signattn.stream import Engine  # noqa: E402
from signattn.vehicle import load_vehicle  # noqa: E402

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

    def step_frame(self, frame):
        self.frames.append(frame)
        return super().step_frame(frame)


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
