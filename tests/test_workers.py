"""Workers end with what they were started for, even with a parent that is killed."""

import os
import signal
import subprocess
import sys
import threading

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


def test_one_worker_needs_no_thread():
    with crew(1) as executor:
        assert executor is None


def test_two_workers_work_at_once():
    meeting = threading.Barrier(2, timeout=60)
    with crew(2) as executor:
        assert sorted(executor.map(lambda _: meeting.wait(), range(2))) == [0, 1]


def test_an_interruption_waits_for_nothing_that_has_not_begun():
    begun, go = threading.Barrier(3, timeout=60), threading.Event()
    futures = []

    def interrupted():
        with crew(2) as executor:
            work = lambda: (begun.wait(), go.wait(60))  # noqa: E731
            futures.extend(executor.submit(work) for _ in range(4))
            begun.wait()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [future.cancelled() for future in futures] == [False, False, True, True]
    go.set()
    assert all(future.result()[1] for future in futures[:2])


def test_less_than_no_worker():
    text = '^workers must be at least 0, got -1$'
    with pytest.raises(ValueError, match=text), crew(-1):
        pass
