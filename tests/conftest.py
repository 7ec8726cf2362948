"""What every test runs under: a ROS of its own, one thread, reasons to skip; small drives."""

import hashlib
import importlib.util
import os
from dataclasses import asdict
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
import yaml

DOMAINS = 101  # domain ids 1 to 101 leave the system's ephemeral ports alone
STEP_NS = 50_000_000  # 20 Hz


def pytest_collection_modifyitems(items):
    """Skip, with the reason, what this machine can't run."""
    missing = {
        'ros': None if importlib.util.find_spec('rclpy') else 'rclpy is not installed',
        'gpu': None if torch.cuda.is_available() else 'no CUDA device',
    }
    for item in items:
        for marker, reason in missing.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope='session', autouse=True)
def _own_ros(tmp_path_factory):
    """No talk with other machines, nor with other test runs here; for child processes too."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ('ROS_LOCALHOST_ONLY', 'ROS_STATIC_PEERS', 'ROS_DISCOVERY_SERVER'):
            patch.delenv(name, raising=False)
        patch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
        patch.setenv('ROS_DOMAIN_ID', str(1 + os.getpid() % DOMAINS))
        patch.setenv('ROS_LOG_DIR', str(tmp_path_factory.mktemp('ros_log')))
        yield


@pytest.fixture(scope='session', autouse=True)
def _one_thread():
    """The networks of tests are small: threads cost more than they give, here and in children."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('OMP_NUM_THREADS', '1')
        yield
    torch.set_num_threads(before)


@pytest.fixture
def vehicle():
    """Easy numbers: angle = 40 rad·m · curvature at 10 m/s, 2 m · 10 · (1 + 0.01 · 10²)."""
    from signattn.vehicle import Vehicle

    return Vehicle('cart', wheelbase=2.0, steering_ratio=10.0, slip_factor=0.01)


@pytest.fixture
def vehicle_file(tmp_path, vehicle):
    """The same as a file."""
    path = tmp_path / 'cart.yaml'
    path.write_text(yaml.safe_dump(asdict(vehicle)))
    return str(path)


@pytest.fixture
def write_drive(tmp_path, vehicle):
    """Gives a function that writes a drive of any labels, frames (black) and stamps (20 Hz)."""
    import pandas as pd

    from signattn.drive import COLUMNS, Drive
    from signattn.preprocess import Preprocessing
    from signattn.vehicle import steering_from_curvature

    def write(
        curvature,
        *,
        frames=None,
        stamps_ns=None,
        speed=10.0,
        car=vehicle,
        preprocessing=None,
        name='drive',
    ):
        count = len(curvature)
        folder = tmp_path / 'drives' / name
        folder.mkdir(parents=True)
        frames = np.zeros((count, 80, 160, 3), np.uint8) if frames is None else frames
        stamps = np.arange(count) * STEP_NS if stamps_ns is None else stamps_ns
        curvature = np.array(curvature, np.float64)
        speed = np.broadcast_to(np.float64(speed), count)
        angle = steering_from_curvature(curvature, speed, car)
        columns = (np.array(stamps, np.int64), *(angle, speed, curvature) * 2)
        samples = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
        np.save(folder / 'frames.npy', frames)
        samples.to_parquet(folder / 'samples.parquet', index=False)
        samples_sha256 = hashlib.sha256((folder / 'samples.parquet').read_bytes()).hexdigest()
        description = {
            'format': 1,
            'name': name,
            'vehicle': asdict(car),
            'max_gap_s': 0.5,
            'preprocessing': (preprocessing or Preprocessing()).to_mapping(),
            'checksums': {
                'frames_sha256': hashlib.sha256(frames.tobytes()).hexdigest(),
                'samples_sha256': samples_sha256,
            },
        }
        (folder / 'drive.yaml').write_text(yaml.safe_dump(description))
        return Drive(folder)

    return write


@pytest.fixture
def write_model(tmp_path, vehicle):
    """Gives a function that writes a model with random weights."""
    from signattn.model import Checkpoint, Network, NetworkConfig, save
    from signattn.preprocess import Preprocessing

    def write(preprocessing=None):
        torch.manual_seed(0)
        network = Network(NetworkConfig(hidden=4)).eval()
        network.curvature_scale.fill_(0.01)
        mapping = (preprocessing or Preprocessing()).to_mapping()
        save(Checkpoint(network, mapping, vehicle, name='tiny'), tmp_path / 'model')
        return tmp_path / 'model'

    return write


class Page(HTMLParser):
    """Headings, text and pictures of a page; refuses unbalanced tags and foreign files."""

    def __init__(self, path):
        super().__init__()
        self.open, self.titles, self.said, self.images = [], [], [], []
        self.feed(path.read_text(encoding='utf-8'))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        if tag == 'img':
            self.images.append(named['src'])
            assert named['alt']
        assert tag != 'script'
        assert named.get('href', 'data:,') == 'data:,'
        if tag not in ('img', 'meta', 'link', 'br'):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.said.append(' '.join(data.split()))
            if self.open[-1] in ('h1', 'h2'):
                self.titles.append(data)


@pytest.fixture(scope='session')
def read_page():
    """Read an HTML page: ``read_page(path)`` has ``titles``, ``said`` and ``images``."""
    return Page
