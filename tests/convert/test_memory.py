"""Memory stays flat, however large the bag."""

import re

import numpy as np

from signattn.bag import BagWriter

GROWTH_KB = 120_000
# What the process itself says: the system counts its parent's memory in before it starts.
SAY = (
    'import atexit, pathlib; '
    'say = lambda: print(pathlib.Path("/proc/self/status").read_text(), file=sys.stderr); '
    'atexit.register(say)'
)


def peak_kb(process):
    """Most memory that a process had."""
    _, said = process.communicate()
    assert process.returncode == 0, said
    return int(re.search(r'^VmHWM:\s+(\d+) kB$', said, re.MULTILINE)[1])


def test_a_bag_much_larger_than_the_memory_it_takes(tmp_path, start):
    """Of 260 MB of raw pictures few are in memory at once."""
    picture = np.zeros((1024, 1408, 3), np.uint8)  # 4.3 MB
    peaks = []
    for count in (1, 60):
        path = tmp_path / f'{count}'
        with BagWriter(path, 'mcap') as writer:
            for i in range(count):
                writer.raw_image((i + 1) * 50_000_000, picture)
        arguments = ['convert', path, '--out', tmp_path / 'out', '--workers', 2]
        peaks.append(peak_kb(start(*arguments, before=SAY)))
    assert peaks[1] - peaks[0] < GROWTH_KB, peaks
    assert peaks[1] < 1_000_000
