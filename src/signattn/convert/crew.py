"""Who makes the drives: one interface for threads, processes and a Dask cluster."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager

from signattn.convert.config import WorkConfig
from signattn.workers import follow_parent

_MOST_THREADS = 16  # for one drive; Python itself is busy with reading then


@contextmanager
def crew(work: WorkConfig, jobs: int) -> Iterator[tuple[Executor, int]]:
    """Workers for a number of drives.

    Args:
        work: How many, and where.
        jobs: Drives to be made, at least one.

    Yields:
        The executor that makes the drives, and the threads that each drive gets.

    Raises:
        ValueError: If there is no such Dask scheduler, or Dask isn't installed.
    """
    if work.dask:
        with _cluster(work.dask, jobs) as found:
            yield found
        return
    cores = work.workers or len(os.sched_getaffinity(0))
    processes = min(cores, jobs)
    threads = min(cores // processes, _MOST_THREADS)
    if processes == 1:
        with ThreadPoolExecutor(1) as pool:
            yield pool, threads
        return
    # Processes that start afresh: a fork would copy the locks that our threads hold.
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['signattn.convert'])
    with ProcessPoolExecutor(processes, context, initializer=_start_worker) as workers:
        yield workers, threads


@contextmanager
def _cluster(address: str, jobs: int) -> Iterator[tuple[Executor, int]]:
    try:
        from distributed import Client  # noqa: PLC0415 (an extra of its own)
        from distributed.comm.addressing import resolve_address  # noqa: PLC0415
    except ImportError as error:
        raise ValueError(
            "distributed must be installed for --dask: pip install -e '.[dask]' in signattn's "
            'folder'
        ) from error
    try:
        # A client for what is no address raises, and then hangs for a minute when it is freed.
        client = Client(resolve_address(address), set_as_default=False)
    except (OSError, ValueError) as error:
        raise ValueError(
            f'--dask must be the address of a Dask scheduler, got {address}: {error}'
        ) from error
    with client:
        slots = client.nthreads().values()
        if not slots:
            raise ValueError(f'--dask must have a worker, got none at {address}')
        # A job takes one slot; the slots that are left over are shared among the jobs.
        threads = min(max(1, sum(slots) // jobs), *slots, _MOST_THREADS)
        yield client.get_executor(pure=False, retries=0), threads


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and end with it however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    follow_parent()
