"""Launch files, their parameters and RViz's topics fit the nodes."""

import ast
import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from signattn.share import share_path

LAUNCH_FILES = ('drive.launch.py', 'replay.launch.py')
EXPECTED = {
    'drive.launch.py': {
        'model',
        'image_topic',
        'image_transport',
        'speed_topic',
        'speed_type',
        'vehicle',
        'device',
        'max_age',
        'namespace',
        'params_file',
        'rviz',
        'use_sim_time',
        'respawn',
        'dds_profile',
    },
    'replay.launch.py': {
        'bag',
        'camera',
        'rate',
        'start',
        'loop',
        'assume_speed',
        'model',
        'vehicle',
        'device',
        'namespace',
        'params_file',
        'rviz',
        'use_sim_time',
    },
}


def tree(name):
    return ast.parse(share_path(f'launch/{name}').read_text(encoding='utf-8'))


def calls(name, function):
    """Every call of a function in a launch file."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Call) and getattr(node.func, 'id', None) == function:
            yield node


def arguments(name):
    """What a launch file declares: name and description, and other keywords."""
    return {
        call.args[0].value: {keyword.arg: keyword.value for keyword in call.keywords}
        for call in calls(name, 'DeclareLaunchArgument')
    }


@pytest.mark.parametrize('name', LAUNCH_FILES)
def test_every_argument_is_described(name):
    declared = arguments(name)
    assert set(declared) == EXPECTED[name]
    for keywords in declared.values():
        description = keywords['description'].value
        assert description.endswith('.')
        assert len(description) > 20


@pytest.mark.parametrize('name', LAUNCH_FILES)
def test_every_argument_is_used_and_no_other(name):
    used = {
        call.args[0].value
        for call in calls(name, 'LaunchConfiguration')
        if isinstance(call.args[0], ast.Constant)
    }
    declared = set(arguments(name))
    assert used <= declared
    assert declared <= used | looped_over(name)


def looped_over(name):
    """Every string of a launch file but the names that it declares."""
    whole = tree(name)
    declaring = {
        node.args[0]
        for node in ast.walk(whole)
        if isinstance(node, ast.Call) and getattr(node.func, 'id', '') == 'DeclareLaunchArgument'
    }
    strings = (node for node in ast.walk(whole) if isinstance(node, ast.Constant))
    return {node.value for node in strings if node not in declaring}


def test_replay_hands_on_what_drive_declares():
    handed_on = set(ast.literal_eval(assigned('replay.launch.py', 'handed_on')))
    assert handed_on <= set(arguments('drive.launch.py')) & set(arguments('replay.launch.py'))
    text = share_path('launch/replay.launch.py').read_text(encoding='utf-8')
    for name in ('image_transport', 'max_age', 'respawn'):
        assert name in arguments('drive.launch.py')
        assert f"('{name}', " in text


def assigned(name, variable):
    """What a launch file assigns to a variable."""
    (value,) = [
        node.value
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Assign) and getattr(node.targets[0], 'id', '') == variable
    ]
    return value


@pytest.mark.ros
def test_the_nodes_know_the_parameters_that_launch_gives_them():
    from signattn.nodes import drive_node, overlay_node, replay_node

    both = ast.literal_eval(assigned('drive.launch.py', 'both'))
    started = {'drive_node': drive_node, 'overlay_node': overlay_node}
    calls_of_node = list(calls('drive.launch.py', 'node'))
    assert {call.args[1].value for call in calls_of_node} == set(started)
    for call in calls_of_node:
        given = getattr(call.args[3], 'elts', [])
        names = {*both, *(element.value for element in given if hasattr(element, 'value'))}
        names = {name for name in names if isinstance(name, str)}
        known = {parameter.name for parameter in started[call.args[1].value].PARAMETERS}
        assert names <= known
        assert names <= set(arguments('drive.launch.py'))
    keys = [key.value for key in assigned('replay.launch.py', 'typed').keys]
    text = share_path('launch/replay.launch.py').read_text(encoding='utf-8')
    keys += ['source', 'image_topic', 'clock_hz', 'vehicle']
    assert all(f"'{key}'" in text for key in keys)
    assert set(keys) <= {parameter.name for parameter in replay_node.PARAMETERS}


def test_the_executables_are_installed():
    text = (Path(__file__).parents[1] / 'setup.py').read_text(encoding='utf-8')
    started = {
        node.value
        for name in LAUNCH_FILES
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Constant) and str(node.value).endswith('_node')
    }
    assert started == {'drive_node', 'overlay_node', 'replay_node'}
    for executable in started:
        assert f"'{executable} = signattn.nodes.__main__:{executable}'" in text


@pytest.mark.ros
def test_the_parameter_file_holds_the_defaults_of_the_nodes():
    from signattn.nodes import drive_node, overlay_node

    shipped = yaml.safe_load(share_path('config/drive.yaml').read_text(encoding='utf-8'))
    nodes = {'/**/signattn': drive_node.PARAMETERS, '/**/overlay': overlay_node.PARAMETERS}
    assert shipped == {
        key: {'ros__parameters': {parameter.name: parameter.default for parameter in parameters}}
        for key, parameters in nodes.items()
    }


@pytest.mark.ros
@pytest.mark.parametrize('namespace', ['', '/car/front'])
def test_the_parameter_file_holds_in_every_namespace(bench_context, namespace):
    from signattn.nodes.overlay_node import OverlayNode

    arguments = ['--ros-args', '--params-file', str(share_path('config/drive.yaml'))]
    node = OverlayNode(context=bench_context, namespace=namespace, cli_args=arguments)
    try:
        assert node._parameter_overrides['max_width'].value == 640
    finally:
        node.destroy_node()


@pytest.fixture
def bench_context():
    """A context of rclpy."""
    import rclpy

    context = rclpy.Context()
    rclpy.init(context=context, args=[])
    yield context
    rclpy.shutdown(context=context)


def displays():
    """RViz's displays of topics: (class, topic settings)."""
    text = share_path('config/signattn.rviz').read_text(encoding='utf-8')
    manager = yaml.safe_load(text)['Visualization Manager']
    assert manager['Global Options']['Fixed Frame'] == 'base_link'
    return [(d['Class'], d['Topic']) for d in manager['Displays'] if 'Topic' in d]


SHOWN = ['/signattn/overlay', '/signattn/attention', '/signattn/path']


@pytest.mark.ros
def test_rviz_shows_what_is_published(bench_context):
    from nav_msgs.msg import Path
    from rclpy.parameter import Parameter
    from sensor_msgs.msg import Image

    from signattn.nodes.drive_node import DriveNode
    from signattn.nodes.overlay_node import OverlayNode

    drive = DriveNode(
        context=bench_context, parameter_overrides=[Parameter('model', value='none')]
    )
    drive._advertise()
    overlay = OverlayNode(context=bench_context)
    # Asked of the nodes: the middleware knows of them later, and at first denies that they exist.
    published = {
        publisher.topic_name: publisher.msg_type
        for node in (drive, overlay)
        for publisher in node.publishers
    }
    drive._release()
    for node in (drive, overlay):
        node.destroy_node()

    types = {'rviz_default_plugins/Image': Image, 'rviz_default_plugins/Path': Path}
    shown = displays()
    assert [topic['Value'] for _, topic in shown] == SHOWN
    for display, topic in shown:
        assert published[topic['Value']] == types[display]
        assert topic['Reliability Policy'] in ('Reliable', 'Best Effort')
        assert topic['History Policy'] == 'Keep Last'
        assert topic['Durability Policy'] == 'Volatile'


def test_rviz_follows_the_namespace():
    topics = ast.literal_eval(assigned('drive.launch.py', 'topics'))
    assert {topic['Value'] for _, topic in displays()} <= {f'/signattn/{name}' for name in topics}


PRINT_ARGUMENTS = """
import sys
from launch.launch_description_sources import get_launch_description_from_python_launch_file
description = get_launch_description_from_python_launch_file(sys.argv[1])
print(*(argument.name for argument in description.get_launch_arguments()))
"""
needs_launch = pytest.mark.skipif(
    importlib.util.find_spec('launch_ros') is None,
    reason='launch_ros is not installed: it comes with ROS 2 from apt and is no wheel',
)


@needs_launch
@pytest.mark.parametrize('name', LAUNCH_FILES)
def test_launch_reads_the_files(name):
    path = str(share_path(f'launch/{name}'))
    command = [sys.executable, '-c', PRINT_ARGUMENTS, path]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert EXPECTED[name] <= set(run.stdout.split())


def is_installed():
    """Whether launch finds the executables."""
    return any(
        (Path(prefix) / 'lib' / 'signattn' / 'drive_node').exists()
        for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    )


START = """
import sys
from launch import LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
service = LaunchService()
source = PythonLaunchDescriptionSource(sys.argv[1])
arguments = [argument.split(':=') for argument in sys.argv[2:]]
service.include_launch_description(IncludeLaunchDescription(source, launch_arguments=arguments))
sys.exit(service.run())
"""


@needs_launch
@pytest.mark.ros
@pytest.mark.slow
@pytest.mark.skipif(not is_installed(), reason='signattn is not installed by colcon')
def test_a_drive_node_that_ended_is_started_again(tmp_path):
    path = str(share_path('launch/drive.launch.py'))
    command = [sys.executable, '-u', '-c', START, path, f'model:={tmp_path}']
    failed, ended = 'configure failed: model must be a folder with model.yaml', []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as launch:
        for line in map(bytes.decode, launch.stdout):
            ended += [line] * (failed in line)
            if len(ended) == 2:
                launch.send_signal(signal.SIGINT)
                break
        rest = launch.stdout.read().decode()
    assert len(ended) == 2
    assert launch.returncode == 0
    assert 'Traceback' not in rest


@needs_launch
@pytest.mark.ros
@pytest.mark.slow
def test_a_recording_plays_through_the_launch_files(tmp_path):
    if importlib.util.find_spec('launch_testing') is None:
        pytest.skip('launch_testing is not installed')
    if not is_installed():
        pytest.skip('signattn is not installed by colcon, so launch finds no executables')
    test = Path(__file__).parent / 'launch' / 'replay.py'
    command = [sys.executable, '-m', 'launch_testing.launch_test', str(test)]
    environment = os.environ | {'SIGNATTN_LAUNCH_TEST': str(tmp_path)}
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-5000:]
