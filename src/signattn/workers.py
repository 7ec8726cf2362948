"""Threads to share work among, and processes that end with the one that started them."""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import wait


@contextmanager
def crew(workers: int) -> Iterator[Executor | None]:
    """Threads to share a network's work among, as long as the block lasts.

    What computes there lets others run, and nothing has to be sent to them: a network of the
    paper's size has 150 MB.

    Args:
        workers: How many; 0 for one a core.

    Yields:
        What takes the work; None for one, which needs no thread of its own.

    Raises:
        ValueError: If workers is negative.
    """
    workers, _ = shared_out(workers)
    if workers == 1:
        yield None
        return
    pool = ThreadPoolExecutor(workers)
    try:
        yield pool
    finally:
        # Whoever interrupts waits for nothing that has not begun.
        pool.shutdown(wait=False, cancel_futures=True)


def processes(workers: int) -> ProcessPoolExecutor:
    """Processes that start afresh, and end with this one.

    Args:
        workers: How many, at least 1.

    Returns:
        What takes the work.
    """
    context = multiprocessing.get_context('spawn')
    return ProcessPoolExecutor(workers, context, initializer=follow_parent)


def shared_out(workers: int) -> tuple[int, int]:
    """How the cores are shared out.

    Args:
        workers: Processes; 0 for one a core.

    Returns:
        Processes, and the threads that each may have.

    Raises:
        ValueError: If workers is negative.
    """
    if workers < 0:
        raise ValueError(f'workers must be at least 0, got {workers}')
    cores = os.cpu_count() or 1
    workers = workers or cores
    return workers, max(1, cores // workers)


def follow_parent() -> None:
    """End this worker as soon as its parent ends, however that ends.

    A worker whose parent was killed would go on, and hold its files against the next run.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
