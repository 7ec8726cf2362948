"""For launch_testing: a recording through replay.launch.py, in a namespace, until its end.

``test_launch.py`` runs it where launch is installed; by hand it is ``launch_test replay.py``.
"""

import os
import tempfile
import time
import unittest
from pathlib import Path

import launch
import launch_testing.actions
import launch_testing.asserts
import numpy as np
import rclpy
from geometry_msgs.msg import TwistStamped, Vector3Stamped
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image

from signattn.bag import BagWriter
from signattn.share import share_path

START_NS = 1_479_424_215_880_976_321
TICK_NS = 50_000_000
COUNT = 100
TOPICS = {
    '/car/signattn/curvature': Vector3Stamped,
    '/car/signattn/attention': Image,
    '/car/signattn/overlay': Image,
    '/car/driven': Vector3Stamped,
    '/car/speed': TwistStamped,
}


def write_bag(path: Path) -> Path:
    """A few seconds of noise, with steering and speed."""
    random = np.random.default_rng(5)
    with BagWriter(path, 'mcap') as bag:
        for i in range(COUNT):
            stamp_ns = START_NS + i * TICK_NS
            bag.raw_image(stamp_ns, random.integers(0, 256, (120, 160, 3), np.uint8))
            bag.steering(stamp_ns, 0.02, 10.0)
    return path


def generate_test_description():
    """Called by launch_testing."""
    folder = os.environ.get('SIGNATTN_LAUNCH_TEST') or tempfile.mkdtemp()
    arguments = {
        'bag': str(write_bag(Path(folder) / 'bag')),
        'namespace': 'car',
        'device': 'cpu',
        'use_sim_time': 'true',
    }
    replay = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(share_path('launch/replay.launch.py'))),
        launch_arguments=arguments.items(),
    )
    return launch.LaunchDescription([replay, launch_testing.actions.ReadyToTest()])


class TestWhileItPlays(unittest.TestCase):
    """What is heard in the namespace."""

    def test_everything_is_published(self):
        """Each topic of the vehicle's and of the player's is heard."""
        context = rclpy.Context()
        rclpy.init(context=context)
        node = rclpy.create_node('listener', context=context)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        missing = dict.fromkeys(TOPICS)

        def hear(topic, message):
            assert message.header.stamp.sec >= START_NS // 1_000_000_000
            missing.pop(topic, None)

        for topic, kind in TOPICS.items():
            node.create_subscription(kind, topic, lambda m, topic=topic: hear(topic, m), 10)
        deadline_s = time.monotonic() + 120
        while missing and time.monotonic() < deadline_s:
            executor.spin_once(timeout_sec=1)
        node.destroy_node()
        rclpy.shutdown(context=context)
        assert not missing

    def test_it_ends_with_the_recording(self, proc_info):
        """Nobody has to end the player."""
        proc_info.assertWaitForShutdown(process='replay_node', timeout=120)


@launch_testing.post_shutdown_test()
class TestWhenItIsOver(unittest.TestCase):
    """The end of the recording is the end of all nodes."""

    def test_all_nodes_end_well(self, proc_info):
        """With status 0."""
        launch_testing.asserts.assertExitCodes(proc_info)
