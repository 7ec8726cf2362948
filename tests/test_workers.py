"""Workers end with their parent, even one that is killed."""

import os
import signal
import subprocess
import sys

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
