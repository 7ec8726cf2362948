"""A recording through real nodes in processes of their own, and the score."""

import csv
import json
import math
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

from signattn import replay as module
from signattn.bag import BagError, BagWriter
from signattn.convert import convert
from signattn.evaluate import predict
from signattn.model import Checkpoint, CheckpointError, Network, NetworkConfig, save
from signattn.nodes import ledger
from signattn.preprocess import Preprocessing
from signattn.replay import ReplayConfig, ReplayError, free_domain_id, replay
from signattn.vehicle import load_vehicle

START_NS = 1_479_424_215_880_976_321
TICK_NS = 50_000_000
RATIO = 2.8498 * 14.8 * (1 + 0.0014 * 10**2)  # rad · m, the Lincoln at 10 m/s


@pytest.fixture
def model(tmp_path):
    """A small network with random weights."""
    torch.manual_seed(7)
    network = Network(NetworkConfig(hidden=4)).eval()
    path = tmp_path / 'model'
    save(Checkpoint(network, Preprocessing().to_mapping(), load_vehicle(), name='tiny'), path)
    return path


def picture(i):
    return np.random.default_rng(i).integers(0, 256, (48, 64, 3), np.uint8)


def write_bag(path, count=8, step_ns=TICK_NS, *, raw=False, steering=True, gap_ns=0):
    """A bag with steering at the images; half-way there may be a gap."""
    with BagWriter(path, 'mcap') as bag:
        for i in range(count):
            stamp_ns = START_NS + i * step_ns + (gap_ns if i >= count // 2 else 0)
            (bag.raw_image if raw else bag.image)(stamp_ns, picture(i))
            if steering:
                bag.steering(stamp_ns, 0.02 * i, 10.0)
    return path


def rows(out):
    with (out / 'answers.csv').open(encoding='utf-8') as file:
        return list(csv.DictReader(file))


@pytest.mark.ros
def test_in_lockstep_every_image_is_answered_as_offline(tmp_path, model):
    # 40 images/s: every other one lies between two steps of the model. Behind the gap it forgets.
    bag = write_bag(tmp_path / 'bag', 16, TICK_NS // 2, raw=True, gap_ns=10 * TICK_NS)
    out = tmp_path / 'out'
    metrics = replay(model, bag, out, ReplayConfig(device='cpu'))
    assert metrics == json.loads((out / 'metrics.json').read_text(encoding='utf-8'))
    counts = ('images', 'sent', 'answered', 'lost', 'skipped', 'unreadable', 'scored')
    assert [metrics[name] for name in counts] == [16, 8, 8, 0, 8, 0, 8]
    assert metrics['model'] == 'tiny'
    assert len(metrics['model_checksum']) == 64
    assert (metrics['source'], metrics['mode']) == ('bag', 'lockstep')
    assert 0 < metrics['latency_ms_p50'] <= metrics['latency_ms_p99']
    assert metrics['frames_per_s'] > 0
    assert cv2.imread(str(out / 'latency.png')) is not None
    nodes = yaml.safe_load((out / 'nodes.yaml').read_text(encoding='utf-8'))
    asked = nodes['/signattn']['ros__parameters']
    assert [asked[name] for name in ('device', 'backend', 'weights')] == ['cpu', 'torch', 'fp32']

    table = rows(out)
    assert [int(row['stamp_ns']) for row in table] == [
        START_NS + i * TICK_NS // 2 + (10 * TICK_NS if i >= 8 else 0) for i in range(16)
    ]
    assert [row['status'] for row in table] == ['answered', 'skipped'] * 8
    answers = np.array([float(row['curvature']) for row in table[::2]])
    drive = convert(bag, tmp_path / 'drive')
    network = module.load(model).network
    np.testing.assert_allclose(answers, predict(network, drive), rtol=0, atol=1e-6)

    driven = 0.02 * np.arange(0, 16, 2)
    assert metrics['mae_deg'] == pytest.approx(
        np.degrees(np.abs(answers * RATIO - driven)).mean(), rel=1e-6
    )
    assert metrics['mae_per_m'] == pytest.approx(np.abs(answers - driven / RATIO).mean(), rel=1e-6)
    assert metrics['mae_deg_zero'] == pytest.approx(math.degrees(0.14), rel=1e-6)

    maps = np.load(out / 'attention.npy')
    assert maps.shape == (16, 10, 20)
    np.testing.assert_allclose(maps[::2].sum((1, 2)), 1, atol=1e-5)
    assert np.isnan(maps[1::2]).all()


@pytest.mark.ros
@pytest.mark.filterwarnings('ignore:module .sre_:DeprecationWarning')  # of rclpy's parser
@pytest.mark.parametrize('shared', [False, True])
def test_a_replay_is_heard_only_in_a_domain_that_was_named(tmp_path, model, monkeypatch, shared):
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from sensor_msgs.msg import CompressedImage

    from signattn.nodes.messages import nanoseconds

    domain = free_domain_id()  # the robot's
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    named = domain if shared else None
    bag = write_bag(tmp_path / 'bag')
    context = rclpy.Context()
    rclpy.init(context=context, args=[])
    robot = rclpy.create_node('robot', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(robot)
    heard = []
    robot.create_subscription(CompressedImage, 'image/compressed', heard.append, 100)
    seen = []
    robot.create_timer(0.02, lambda: seen.append(robot.count_publishers('image/compressed')))
    listening = threading.Thread(target=executor.spin)
    listening.start()
    try:
        metrics = replay(model, bag, tmp_path / 'out', ReplayConfig(device='cpu', domain_id=named))
    finally:
        executor.shutdown()
        listening.join()
        robot.destroy_node()
        rclpy.shutdown(context=context)
    assert metrics['answered'] == 8
    assert len({nanoseconds(message.header.stamp) for message in heard}) == (8 if shared else 0)
    assert any(seen) == shared


@pytest.mark.ros
def test_without_steering_a_replay_is_not_scored_and_damage_is_told_apart(tmp_path, model):
    folder = tmp_path / 'folder'
    folder.mkdir()
    lines = ['timestamp,filename']
    for i in range(4):
        cv2.imwrite(str(folder / f'{i}.png'), picture(i))
        lines.append(f'{START_NS + i * TICK_NS},{i}.png')
    (folder / '2.png').write_bytes(b'no picture')
    (folder / 'interpolated.csv').write_text('\n'.join(lines), encoding='utf-8')
    out = tmp_path / 'out'
    metrics = replay(model, folder, out, ReplayConfig(device='cpu', timeout_s=1.0))
    counts = ('sent', 'answered', 'lost', 'skipped', 'unreadable', 'scored')
    assert [metrics[name] for name in counts] == [4, 3, 0, 0, 1, 0]
    assert metrics['note'] == 'not scored: the recording has no steering'
    assert not [name for name in metrics if name.startswith('mae')]
    assert [row['status'] for row in rows(out)] == ['answered'] * 2 + ['unreadable', 'answered']


@pytest.mark.ros
def test_in_real_time_what_comes_late_is_lost(tmp_path, model):
    # An image each half of a millisecond, while a step of the network takes several.
    bag = write_bag(tmp_path / 'bag', 60)
    metrics = replay(
        model, bag, tmp_path / 'out', ReplayConfig(mode='realtime', rate=100, device='cpu')
    )
    assert (metrics['mode'], metrics['rate'], metrics['sent']) == ('realtime', 100, 60)
    assert metrics['answered'] + metrics['lost'] == 60
    assert metrics['answered'] > 0
    assert metrics['lost'] > 0


@pytest.mark.ros
def test_in_real_time_with_a_camera_of_another_rate_and_steering_that_is_named(tmp_path, model):
    bag, out = write_bag(tmp_path / 'bag', 8), tmp_path / 'out'
    config = ReplayConfig(
        mode='realtime',
        camera_hz=60,
        device='cpu',
        timeout_s=10,
        steering='/vehicle/steering_report:steering_wheel_angle',
        unit='deg',
        speed='/vehicle/steering_report:speed',
        speed_unit='km/h',
    )
    metrics = replay(model, bag, out, config)
    # 0.35 s at 60 Hz; the network takes every third image.
    assert (metrics['images'], metrics['sent']) == (22, 22)
    assert metrics['answered'] + metrics['lost'] >= 8
    assert metrics['camera_hz'] == pytest.approx(60, rel=0.5)
    for name in ('late_ms_p99', 'age_ms_p50', 'age_ms_p99', 'jitter_ms_p50', 'jitter_ms_p99'):
        assert metrics[name] >= 0
    assert metrics['age_ms_p50'] >= metrics['latency_ms_p50'] - 1e-6
    assert metrics['mae_deg_zero'] < 0.14  # degrees, not rad
    nodes = yaml.safe_load((out / 'nodes.yaml').read_text(encoding='utf-8'))
    player = nodes['/replay']['ros__parameters']
    assert [player[name] for name in ('unit', 'speed_unit')] == ['deg', 'km/h']
    assert 'not played' not in (out / 'replay_node.log').read_text(encoding='utf-8')


@pytest.mark.ros
def test_a_node_that_fails_is_quoted_and_leaves_no_metrics(tmp_path, model):
    bag = write_bag(tmp_path / 'bag', 2)
    out = tmp_path / 'out'
    out.mkdir()
    for name in ('metrics.json', 'latency.png', 'answers.csv', 'attention.npy'):
        (out / name).write_text('of an earlier replay', encoding='utf-8')
    with pytest.raises(ReplayError, match=r'(?s)drive_node must run to the end.*device must be'):
        replay(model, bag, out, ReplayConfig(device='toaster'))
    left = sorted(path.name for path in out.iterdir())
    assert left == ['drive_node.log', 'nodes.yaml', 'replay_node.log']


def children(pid):
    """Processes that a process has started."""
    return Path(f'/proc/{pid}/task/{pid}/children').read_text(encoding='ascii').split()


@pytest.mark.ros
def test_a_replay_that_is_ended_ends_its_nodes(tmp_path, model):
    bag = write_bag(tmp_path / 'bag', 10)
    code = (
        'import sys; from pathlib import Path; from signattn.replay import ReplayConfig, replay; '
        "replay(*map(Path, sys.argv[1:]), ReplayConfig(mode='realtime', rate=0.01, device='cpu'))"
    )
    paths = [str(path) for path in (model, bag, tmp_path / 'out')]
    with subprocess.Popen([sys.executable, '-c', code, *paths]) as process:
        while len(children(process.pid)) < 2:
            assert process.poll() is None
            time.sleep(0.02)
        nodes = children(process.pid)
        process.terminate()
        assert process.wait(30) == 128 + signal.SIGTERM
    assert not [pid for pid in nodes if Path(f'/proc/{pid}').exists()]
    assert not (tmp_path / 'out' / 'metrics.json').exists()


@pytest.mark.parametrize(
    ('arguments', 'error'),
    [
        ({'mode': 'slowly'}, "mode must be lockstep or realtime, got 'slowly'"),
        ({'rate': 0.0}, 'rate must be above 0, got 0.0'),
        ({'rate': math.nan}, 'rate must be above 0, got nan'),
        ({'mode': 'realtime', 'camera_hz': 1001.0}, 'camera_hz must be from 0 to 1000, got 1001'),
        ({'camera_hz': 60.0}, 'camera_hz must be 0 in lockstep, got 60.0'),
        ({'domain_id': 233}, 'domain_id must be from 0 to 232, got 233'),
        ({'domain_id': -1}, 'domain_id must be from 0 to 232, got -1'),
    ],
)
def test_wrong_arguments(tmp_path, arguments, error):
    with pytest.raises(ValueError, match=error):
        replay(tmp_path, tmp_path, tmp_path / 'out', ReplayConfig(**arguments))
    assert not (tmp_path / 'out').exists()


def test_what_cannot_be_used_is_said_before_anything_starts(tmp_path, model):
    bag = write_bag(tmp_path / 'bag', 2)
    out = tmp_path / 'out'
    with pytest.raises(CheckpointError, match=r'model must be a folder with model\.yaml'):
        replay(tmp_path / 'nothing', bag, out)
    with pytest.raises(BagError, match='must be a bag or an image folder'):
        replay(model, tmp_path / 'nothing', out)
    with pytest.raises(ValueError, match='vehicle must be one of'):
        replay(model, bag, out, ReplayConfig(vehicle='hovercraft'))
    assert not out.exists()


def test_a_recording_without_speed_needs_one(tmp_path, model):
    (tmp_path / 'interpolated.csv').write_text(
        f'timestamp,filename,angle\n{START_NS},0.png,0.1\n', encoding='utf-8'
    )
    with pytest.raises(ValueError, match='--assume-speed'):
        replay(model, tmp_path, tmp_path / 'out')


def test_lost_images_in_lockstep_are_an_error_with_metrics(tmp_path, model, monkeypatch):
    out = tmp_path / 'out'
    written = ledger.Ledger()
    written.send(START_NS, 0, due_ns=0)
    written.send(START_NS + TICK_NS, 1, due_ns=1)
    written.answer(START_NS + TICK_NS, 2, 0.01)
    monkeypatch.setattr(module, '_run', lambda *_: written.write(out))
    bag = write_bag(tmp_path / 'bag', 2)
    with pytest.raises(ReplayError, match='answered in lockstep, 1 of 2 were lost'):
        replay(model, bag, out)
    assert json.loads((out / 'metrics.json').read_text(encoding='utf-8'))['lost'] == 1
    assert replay(model, bag, out, ReplayConfig(mode='realtime'))['lost'] == 1


def test_nodes_keep_to_themselves_whatever_the_environment_says():
    named = {'ROS_DOMAIN_ID': '42', 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET'}
    own = module._environment(named | {'ROS_STATIC_PEERS': '10.0.0.1', 'HOME': '/root'}, None)
    assert own['ROS_DOMAIN_ID'].isdecimal()
    assert own['ROS_DOMAIN_ID'] != '42'
    assert own['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    assert 'ROS_STATIC_PEERS' not in own
    assert own['HOME'] == '/root'
    shared = module._environment(named, 7)
    assert shared['ROS_DOMAIN_ID'] == '7'
    assert shared['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'


def test_a_domain_in_use_is_not_taken():
    domain = free_domain_id()
    assert 1 <= domain <= 100
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as used:
        used.bind(('', 7400 + 250 * domain + 10))
        assert free_domain_id() != domain
    assert free_domain_id(besides=str(domain)) != domain


def test_without_a_free_domain_it_says_so(monkeypatch):
    def taken(*_):
        raise OSError('taken')

    monkeypatch.setattr(socket.socket, 'bind', taken)
    with pytest.raises(ReplayError, match='--domain-id'):
        free_domain_id()
