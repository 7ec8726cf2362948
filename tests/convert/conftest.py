"""Recordings that are made quickly, however long, and a command line in its own process."""

import csv
import os
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest

from signattn.convert import ConvertConfig

START = 1_479_424_215_880_976_321  # ns
STEP = 50_000_000  # ns, 20 Hz
FILES = ('drive.yaml', 'frames.npy', 'samples.parquet')


@pytest.fixture
def config(vehicle_file):
    return ConvertConfig(vehicle=vehicle_file)


@pytest.fixture(scope='session')
def write_folder():
    """Gives a function that writes an image folder; its rows share a few pictures."""

    def write(path, count=4, pictures=4, size=(60, 90), start=START, seed=0):
        path.mkdir(parents=True)
        rng = np.random.default_rng(seed)
        for i in range(pictures):
            coarse = rng.integers(0, 256, (6, 9, 3), np.uint8)
            picture = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(path / f'{i}.jpg'), picture)
        with (path / 'interpolated.csv').open('w', newline='') as file:
            writer = csv.writer(file)
            writer.writerow(('timestamp', 'filename', 'angle', 'speed'))
            for i in range(count):
                angle = round(float(np.sin(i / 7)), 3)
                writer.writerow((start + i * STEP, f'{i % pictures}.jpg', angle, 10.0))
        return path

    return write


@pytest.fixture(scope='session')
def content():
    """Gives a function: the bytes of every drive in a folder, by drive and file."""

    def read(folder):
        return {
            path.name: {file: (path / file).read_bytes() for file in FILES}
            for path in sorted(folder.glob('[!.]*/'))
        }

    return read


@pytest.fixture(scope='session')
def start():
    """Gives a function that starts ``signattn`` in a process group of its own."""
    started = []

    def run(*arguments, before=''):
        # Whatever runs the tests may have SIGINT ignored, which children inherit.
        heard = 'import signal; signal.signal(signal.SIGINT, signal.default_int_handler)'
        code = f'import sys; {heard}; {before}\nfrom signattn.cli import main; sys.exit(main())'
        process = subprocess.Popen(
            [sys.executable, '-c', code, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
