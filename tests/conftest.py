"""What every test runs under: a ROS of its own, one thread, and a reason for every skip."""

import importlib.util
import os

import pytest
import torch

DOMAINS = 101  # domain ids 1 to 101 leave the system's ephemeral ports alone


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
