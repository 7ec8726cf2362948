"""Nodes in this process, on real rclpy, and an engine whose answers are known."""

import contextlib
import time
import warnings

import numpy as np
import pytest

from signattn.model import Checkpoint, Network, NetworkConfig
from signattn.preprocess import Preprocessing
from signattn.stream import Engine, Step
from signattn.vehicle import load_vehicle

with warnings.catch_warnings(), contextlib.suppress(ImportError):
    # The parser that rclpy loads at the first message uses a deprecated module of Python.
    warnings.simplefilter('ignore', DeprecationWarning)
    import rosidl_generator_py  # noqa: F401


class KnownEngine(Engine):
    """Curvature is the mean of the red channel / 1000; the attention is at cell 0.

    ``seen`` holds the images, ``resets`` counts how often the past was forgotten.
    """

    def __init__(self, preprocessing=None):
        contract = (preprocessing or Preprocessing()).to_mapping()
        network = Network(NetworkConfig(hidden=1))
        known = Checkpoint(
            network, contract, load_vehicle(), name='known', checksum='0123456789abcdef'
        )
        super().__init__(known, 'cpu')
        self.seen, self.resets = [], 0

    def answer(self, image):
        super().answer(image)
        self.seen.append(image)
        attention = np.zeros((10, 20), np.float32)
        attention[0, 0] = 1
        return Step(float(image[..., 0].mean()) / 1000, attention)

    def reset(self):
        self.resets += 1
        super().reset()

    def warm_up(self):
        pass


class Bench:
    """Nodes with a context of their own, and an executor that runs them when asked."""

    def __init__(self):
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self.context = rclpy.Context()
        rclpy.init(context=self.context, args=[])
        self.executor = SingleThreadedExecutor(context=self.context)
        self.nodes = []

    def add(self, node):
        self.nodes.append(node)
        self.executor.add_node(node)
        return node

    def drive_node(self, engine=None, parameters=None, **kwargs):
        """A drive node, configured and active."""
        from rclpy.parameter import Parameter

        from signattn.nodes.drive_node import DriveNode

        values = {'model': 'known', 'max_age': 0} | (parameters or {})
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        engine = engine or KnownEngine()
        kwargs = {'context': self.context, 'parameter_overrides': overrides} | kwargs
        node = self.add(DriveNode(lambda *_: engine, **kwargs))
        assert node.start()
        return node

    def plain_node(self, name='test', **kwargs):
        from rclpy.node import Node

        return self.add(Node(name, context=self.context, **kwargs))

    def spin_until(self, done, seconds=20):
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, 'what the test waits for must happen'
            self.executor.spin_once(timeout_sec=0.05)

    def spin_for(self, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.executor.spin_once(timeout_sec=0.02)

    def listen(self, node, kind, topic, qos=10):
        """A list that fills with what comes on a topic."""
        heard = []
        node.create_subscription(kind, topic, heard.append, qos)
        self.spin_until(lambda: node.count_publishers(topic))
        self.spin_for(0.1)  # until the other side knows it too
        return heard

    def talk(self, node, kind, topic, qos=10):
        """A publisher that somebody listens to."""
        publisher = node.create_publisher(kind, topic, qos)
        self.spin_until(publisher.get_subscription_count)
        self.spin_for(0.1)
        return publisher

    def close(self):
        import rclpy

        for node in self.nodes:
            self.executor.remove_node(node)
            node.destroy_node()
        self.executor.shutdown()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def bench():
    """Where nodes are tried."""
    bench = Bench()
    yield bench
    bench.close()


@pytest.fixture
def known_engine():
    """The class of the engine whose answers are known."""
    return KnownEngine
