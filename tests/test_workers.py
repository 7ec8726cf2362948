"""Workers end with their parent, even one that is killed."""

import os
import signal
import subprocess
import sys

import pytest

from signattn.workers import crew

CODE = """
import os, sys, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from signattn.workers import follow_parent
if __name__ == '__main__':
    with ProcessPoolExecutor(1, get_context('spawn'), initializer=follow_parent) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 600).result()
"""


def test_a_worker_ends_with_a_parent_that_is_killed(tmp_path):
    script = tmp_path / 'parent.py'
    script.write_text(CODE)
    # The pipe is the worker's too: it ends when both have ended, and no sooner.
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    os.kill(worker, 0)
    parent.send_signal(signal.SIGKILL)
    assert parent.stdout.read() == ''
    parent.wait()
    parent.stdout.close()


def test_one_worker_needs_no_process():
    with crew(1) as executor:
        assert executor is None


def test_two_workers_are_processes_of_their_own():
    with crew(2) as executor:
        assert executor.submit(os.getpid).result() != os.getpid()


def test_less_than_no_worker():
    text = '^workers must be at least 0, got -1$'
    with pytest.raises(ValueError, match=text), crew(-1):
        pass
