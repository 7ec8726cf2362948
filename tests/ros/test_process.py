"""How nodes end as processes: whenever a signal comes, quietly and with the status that is due."""

import signal
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy')

from signattn.bag import BagWriter  # noqa: E402

NODES = ('drive_node', 'overlay_node', 'replay_node')

# Strikes itself at the stages that it is told: a signal from outside would come at any.
STRIKES = """
import atexit, importlib.abc, signal, sys, time, types
import signattn.nodes.__main__ as program

number, stages = int(sys.argv[1]), sys.argv[2].split(',')
del sys.argv[1:3]

def strikes(stage, function):
    def struck(*args, **kwargs):
        if stage in stages:
            stages.remove(stage)
            signal.raise_signal(number)
        return function(*args, **kwargs)
    return struck

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, *_):
        if name == 'rclpy' and 'import' in stages:
            signal.raise_signal(number)

sys.meta_path.insert(0, Finder())

def prepare():
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.node import Node
    from signattn.nodes import process

    class Swallows:
        def __del__(self):  # where Python can't raise
            signal.raise_signal(number)

    def makes(function):
        def made(*args, **kwargs):
            function(*args, **kwargs)
            if 'swallowed' in stages:
                Swallows()
                while rclpy.ok():
                    time.sleep(0.01)
        return made

    rclpy.init = strikes('initialised', strikes('init', rclpy.init))
    Node.__init__ = strikes('make', makes(Node.__init__))
    SingleThreadedExecutor.spin_once = strikes('work', SingleThreadedExecutor.spin_once)
    Node.destroy_node = strikes('destroy', Node.destroy_node)
    process.try_shutdown = strikes('shutdown', process.try_shutdown)
    if 'already' in stages:
        def shut_down_meanwhile():
            raise RuntimeError('failed to shutdown: rcl_shutdown already called')
        process.try_shutdown = shut_down_meanwhile
    return process, Node, rclpy
"""
RUNS_A_NODE = """
from importlib import import_module

def import_and_prepare(name):
    module = import_module(name)
    prepare()
    if 'load' in stages:
        from signattn.stream import Engine
        Engine.warm_up = strikes('load', Engine.warm_up)
    return module

if 'exit' in stages:
    atexit.register(signal.raise_signal, number)
program.importlib = types.SimpleNamespace(import_module=import_and_prepare)
sys.exit(program.main(sys.argv.pop(1)))
"""
RUNS_A_PLAIN_NODE = """
process, Node, rclpy = prepare()

def work(node):
    if 'fail' in stages:
        raise process.NodeError('no road ahead')
    if 'done' not in stages:
        rclpy.spin(node)

if 'exit' in stages:
    atexit.register(signal.raise_signal, number)
sys.exit(process.run('plain', lambda: Node('plain'), work))
"""


def struck(code, number, stages, *arguments):
    """A process that a signal strikes at some stages, ended."""
    command = [sys.executable, '-c', STRIKES + code, str(int(number)), stages, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    'stages', ['init', 'make', 'work,destroy,shutdown,exit', 'done,destroy', 'work,already']
)
def test_a_signal_ends_a_node_quietly_at_every_stage(number, stages):
    ended = struck(RUNS_A_PLAIN_NODE, number, stages)
    assert (ended.returncode, ended.stderr) == (0, '')


def test_a_signal_that_python_swallows_ends_it_too():
    ended = struck(RUNS_A_PLAIN_NODE, signal.SIGINT, 'swallowed')
    assert 'Exception ignored' in ended.stderr
    assert ended.returncode == 0, ended.stderr


def test_a_signal_leaves_an_earlier_failure_its_status():
    ended = struck(RUNS_A_PLAIN_NODE, signal.SIGINT, 'fail,destroy,shutdown,exit')
    assert ended.returncode == 1
    assert 'no road ahead' in ended.stderr
    assert 'Traceback' not in ended.stderr


@pytest.fixture
def arguments(tmp_path, write_model):
    """Gives what each node needs to work."""

    def of(node):
        given = {}
        if node == 'drive_node':
            given = {'model': write_model(), 'device': 'cpu'}
        elif node == 'replay_node':
            with BagWriter(tmp_path / 'bag', 'mcap') as bag:
                bag.raw_image(1_479_424_215_880_976_321, np.zeros((4, 6, 3), np.uint8))
            given = {'source': tmp_path / 'bag'}
        words = [word for name, value in given.items() for word in ('-p', f'{name}:={value}')]
        return [node, '--ros-args', *words]

    return of


@pytest.mark.parametrize('node', NODES)
def test_signals_end_each_node_with_status_0(node, arguments):
    stages = 'work,destroy,shutdown,exit'
    ended = struck(RUNS_A_NODE, signal.SIGINT, stages, *arguments(node))
    assert ended.returncode == 0, ended.stderr
    assert 'Traceback' not in ended.stderr


@pytest.mark.parametrize('node', NODES)
def test_a_signal_while_a_node_is_made_ends_it_with_status_0(node, arguments):
    stage = 'load' if node == 'drive_node' else 'make'
    ended = struck(RUNS_A_NODE, signal.SIGINT, stage, *arguments(node))
    assert (ended.returncode, ended.stderr) == (0, '')


@pytest.mark.parametrize('node', NODES)
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_before_it_is_set_up_a_node_is_killed_quietly(node, number):
    ended = struck(RUNS_A_NODE, number, 'import', node)
    assert (ended.returncode, ended.stderr) == (-number, '')


def test_a_node_that_does_not_exist_is_refused():
    command = [sys.executable, '-m', 'signattn.nodes', 'drive']
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == 'error: node must be one of drive_node, overlay_node, replay_node\n'
