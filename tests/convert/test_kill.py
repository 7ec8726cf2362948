"""Killed at any moment and started again, it ends as if nothing had happened.

Set ``SIGNATTN_KILLS=100`` for as many kills.
"""

import os
import random
import signal
import time

import pytest

KILLS = int(os.environ.get('SIGNATTN_KILLS', '3'))
DRIVES, FRAMES = 3, 120


@pytest.fixture(scope='module')
def sources(tmp_path_factory, write_folder):
    folder = tmp_path_factory.mktemp('in')
    return [write_folder(folder / f'{i}', FRAMES, size=(480, 640), seed=i) for i in range(DRIVES)]


def wait_for_work(process, out):
    """Until something of the drives is on the disk."""
    while not (out.is_dir() and any(out.iterdir())):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory, sources, start):
    """Where an undisturbed run's drives are, and how long it worked, in s."""
    out = tmp_path_factory.mktemp('undisturbed') / 'out'
    process = start('convert', *sources, '--out', out, '--workers', 2)
    wait_for_work(process, out)
    begun_s = time.monotonic()
    assert process.wait() == 0, process.communicate()
    return out, time.monotonic() - begun_s


def written(out):
    """When each drive that is there was written, and as which file."""
    files = {path.parent.name: path.stat() for path in out.glob('[!.]*/frames.npy')}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in files.items()}


@pytest.mark.parametrize('seed', range(KILLS))
def test_killed_and_started_again(tmp_path, sources, undisturbed, start, content, seed):
    expected, length_s = undisturbed
    out = tmp_path / 'out'
    arguments = ['convert', *sources, '--out', out, '--workers', 2 - seed % 3 // 2]
    process = start(*arguments)
    wait_for_work(process, out)
    time.sleep(random.Random(seed).uniform(0, length_s))
    if seed % 2:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()  # its workers must end by themselves
    process.wait()
    finished = written(out)
    process = start(*arguments)
    assert process.wait() == 0, process.communicate()
    assert content(out) == content(expected)
    assert not [*out.glob('.*')]
    assert finished.items() <= written(out).items()
