"""Imports run one way, and a vehicle loads no more than it needs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / 'src' / 'signattn'

# A part and the parts that it may import; the package itself, which holds the version, always.
VEHICLE_NODE = {'share', 'vehicle', 'preprocess', 'heatmap', 'projection', 'stream'}
SIGNALS = {'share', 'vehicle', 'preprocess'}
ALLOWED = {
    'share': set(),
    'workers': set(),
    'vehicle': {'share'},
    'shrink': set(),
    'preprocess': {'share', 'shrink'},
    'bag': SIGNALS,
    'labels': SIGNALS | {'bag'},
    'drive': SIGNALS | {'bag'},
    'statistics': SIGNALS,
    'convert': SIGNALS | {'bag', 'drive', 'labels', 'statistics', 'workers'},
    'inspection': SIGNALS | {'bag', 'drawing', 'drive', 'labels', 'model', 'motion', 'statistics'},
    'masks': {'bag'},
    'synthetic': SIGNALS | {'bag', 'masks'},
    'model': {'share', 'vehicle'},
    'continuity': {'preprocess'},
    'stream': SIGNALS | {'continuity', 'model'},
    'heatmap': set(),
    'drawing': set(),
    'projection': set(),
    'augment': SIGNALS,
    'motion': SIGNALS | {'drive'},
    'ranks': {'heatmap'},
    'sanity': SIGNALS | {'explain', 'heatmap', 'model', 'ranks'},
    'explain': SIGNALS | {'augment', 'drive', 'model'},
    'deletion': SIGNALS | {'augment', 'drive', 'model', 'ranks'},
    'evaluate': SIGNALS | {'drive', 'model', 'stream', 'motion', 'explain', 'deletion'},
    'train': SIGNALS | {'augment', 'drive', 'evaluate', 'model', 'stream'},
    'intervals': set(),
    'study': SIGNALS | {'drive', 'evaluate', 'intervals', 'model', 'train', 'workers'},
    'study_quality': SIGNALS
    | {'drive', 'intervals', 'model', 'quality', 'study', 'train', 'workers'},
    'sweep': SIGNALS
    | {
        'drawing',
        'drive',
        'explain',
        'heatmap',
        'intervals',
        'model',
        'quality',
        'study',
        'study_quality',
    }
    | {'train'},
    'leak': SIGNALS | {'drive', 'evaluate', 'model', 'stream'},
    'truth': SIGNALS | {'augment', 'drive', 'evaluate', 'heatmap', 'masks', 'model', 'ranks'},
    'quality': SIGNALS
    | {'deletion', 'drive', 'evaluate', 'explain', 'intervals', 'model', 'stream', 'truth'},
    'report': SIGNALS
    | {
        'drawing',
        'augment',
        'deletion',
        'drive',
        'evaluate',
        'explain',
        'heatmap',
        'model',
        'quality',
    }
    | {'ranks', 'stream'},
    'parity': SIGNALS | {'model', 'stream'},
    'export': SIGNALS | {'drive', 'evaluate', 'model', 'parity', 'stream'},
    'bench': SIGNALS | {'model', 'stream'},
    'render': SIGNALS | {'bag', 'heatmap', 'labels', 'stream'},
    'nodes': VEHICLE_NODE | {'nodes.dds'},
    # Parts of nodes/ apart from the rest: what a replay needs besides, and what needs no rclpy.
    'nodes.dds': {'share'},
    'nodes.ledger': {'share'},
    'nodes.playback': SIGNALS | {'bag'},
    'nodes.track': SIGNALS | {'bag', 'labels'},
    'nodes.transport': SIGNALS | {'bag'},
    'nodes.replay_node': VEHICLE_NODE
    | {'bag', 'nodes', 'nodes.dds', 'nodes.ledger'}
    | {'nodes.playback', 'nodes.track', 'nodes.transport'},
    'replay': SIGNALS
    | {'bag', 'delivery', 'drive', 'labels', 'latency_figure', 'model', 'nodes.dds'}
    | {'nodes.ledger', 'nodes.transport', 'stream'},
    'delivery': {'nodes.ledger', 'preprocess'},
    'latency_figure': {'delivery', 'drawing', 'nodes.ledger', 'preprocess'},
}
# The command line imports every verb, but only when that verb runs.
VERBS = {
    'synthetic',
    'convert',
    'inspection',
    'train',
    'evaluate',
    'leak',
    'render',
    'replay',
    'report',
    'study',
    'study_quality',
    'sweep',
    'export',
    'bench',
}
ALLOWED['cli'] = SIGNALS | VERBS | {'bag', 'drive', 'model', 'quality', 'truth', 'workers'}

# Foreign packages that only some parts may import.
ROS = {'rclpy', 'rcl_interfaces', 'builtin_interfaces'}
RESERVED = {
    'rosbags': {'bag'},
    'mcap': {'bag'},
    'lz4': {'bag'},
    'zstandard': {'bag'},
    'simplejpeg': {'bag'},
    'distributed': {'convert'},
    'captum': {'explain'},
    'jsonargparse': {'cli'},
    'onnx': {'stream'},
    'onnxruntime': {'stream'},
}
VEHICLE = {'torch', 'numpy', 'cv2', 'yaml', 'safetensors'}
ON_VEHICLE = {
    'share',
    'shrink',
    'vehicle',
    'preprocess',
    'continuity',
    'model',
    'stream',
    'heatmap',
    'projection',
    'nodes',
}
NODES = {'nodes', 'nodes.replay_node'}


def part(module):
    """The part of the package that a dotted module name belongs to; '' for the package itself."""
    _, *names = module.split('.')
    longest = '.'.join(names[:2])
    return longest if longest in ALLOWED else ''.join(names[:1])


def imports(tree):
    """Dotted names of what a syntax tree imports, at its top or anywhere inside."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'line {node.lineno} must import by full name'
            yield from (f'{node.module}.{alias.name}' for alias in node.names)


def is_ros(package):
    return package in ROS or package.endswith(('_msgs', '_srvs'))


def wrong_imports(module, text):
    """What the source text of a module imports and may not."""
    own = part(module)
    for name in imports(ast.parse(text)):
        package = name.partition('.')[0]
        if package == 'signattn':
            target = part(name)
            known = target in ALLOWED  # else a name of the package itself, such as __version__
            if known and target not in {own, *ALLOWED[own]}:
                yield name
        elif package in RESERVED:
            if own not in RESERVED[package]:
                yield name
        elif is_ros(package):
            if own not in NODES:
                yield name
        elif own in ON_VEHICLE and package not in VEHICLE | sys.stdlib_module_names:
            yield name


def modules():
    for path in sorted(SOURCE.rglob('*.py')):
        names = path.relative_to(SOURCE.parent).with_suffix('').parts
        yield '.'.join(names).removesuffix('.__init__'), path


@pytest.mark.parametrize(('module', 'path'), [pytest.param(*m, id=m[0]) for m in modules()])
def test_imports_run_one_way(module, path):
    if module == 'signattn':
        assert list(imports(ast.parse(path.read_text(encoding='utf-8')))) == []
        return
    assert part(module) in ALLOWED, f'{module} must have its place in ALLOWED'
    assert list(wrong_imports(module, path.read_text(encoding='utf-8'))) == []


@pytest.mark.parametrize(
    ('module', 'text', 'wrong'),
    [
        ('signattn.vehicle', 'import signattn.bag', ['signattn.bag']),
        ('signattn.model.network', 'from signattn import drive', ['signattn.drive']),
        (
            'signattn.stream',
            'from signattn.nodes.drive_node import main',
            ['signattn.nodes.drive_node.main'],
        ),
        (
            'signattn.nodes.drive_node',
            'from signattn.bag import Recording',
            ['signattn.bag.Recording'],
        ),
        ('signattn.nodes.replay_node', 'from signattn.bag import Recording', []),
        (
            'signattn.nodes.drive_node',
            'import signattn.nodes.replay_node',
            ['signattn.nodes.replay_node'],
        ),
        ('signattn.nodes.replay_node', 'from signattn.nodes.messages import stamp', []),
        ('signattn.replay', 'def f():\n    import rclpy', ['rclpy']),
        ('signattn.nodes.ledger', 'import rclpy', ['rclpy']),
        ('signattn.replay', 'from signattn.nodes import ledger', []),
        ('signattn.replay', 'import signattn.nodes.messages', ['signattn.nodes.messages']),
        ('signattn.drive', 'from sensor_msgs.msg import Image', ['sensor_msgs.msg.Image']),
        ('signattn.drive', 'from std_srvs.srv import Trigger', ['std_srvs.srv.Trigger']),
        ('signattn.drive', 'import rosbags.highlevel', ['rosbags.highlevel']),
        ('signattn.drive', 'import pandas', []),
        ('signattn.stream', 'import pandas', ['pandas']),
        ('signattn.nodes.drive_node', 'import cv2, rclpy, json', []),
        ('signattn.model.checkpoint', 'from signattn import __version__', []),
    ],
)
def test_a_backward_import_is_seen(module, text, wrong):
    assert list(wrong_imports(module, text)) == wrong


def test_allowed_imports_have_no_circle():
    seen = set()
    left = {own: targets - {own} for own, targets in ALLOWED.items()}
    while left:
        free = {own for own, targets in left.items() if targets <= seen}
        assert free, f'{sorted(left)} import each other in a circle'
        seen |= free
        left = {own: targets for own, targets in left.items() if own not in free}


def loaded_by(module):
    """Top-level packages, and modules of ours, that are loaded after importing one module."""
    code = f'import {module}, sys; print("\\n".join(sys.modules))'
    run = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


@pytest.mark.ros
@pytest.mark.parametrize('node', ['drive_node', 'overlay_node'])
def test_a_node_of_the_vehicle_loads_no_tools(node):
    loaded = loaded_by(f'signattn.nodes.{node}')
    assert f'signattn.nodes.{node}' in loaded
    tools = {
        'rosbags',
        'mcap',
        'pandas',
        'pyarrow',
        'scipy',
        'captum',
        'jsonargparse',
        'av',
        'rich',
    }
    assert loaded & tools == set()


def test_the_command_line_loads_no_verb():
    loaded = loaded_by('signattn.cli')
    assert 'signattn.cli' in loaded
    verbs = {f'signattn.{verb}' for verb in VERBS}
    assert loaded & (verbs | {'torch', 'pandas', 'rosbags', 'rclpy'}) == set()
