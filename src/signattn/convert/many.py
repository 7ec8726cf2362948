"""Many recordings become drives, by many workers; one that fails doesn't stop the others."""

import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    wait,
)
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from signattn.bag import find_recordings
from signattn.convert.config import ConvertConfig, WorkConfig, with_absolute_paths
from signattn.convert.crew import crew
from signattn.convert.identity import source_size
from signattn.convert.one import Job, is_done, make_drive
from signattn.convert.place import partial, sweep
from signattn.convert.watch import images_done
from signattn.drive import Drive, DriveError

_LOOK_S = 0.25  # between two looks at the progress

_SUFFIXES = ('.zstd', '.active', '.bag', '.mcap', '.db3')


@dataclass(frozen=True)
class Outcome:
    """What became of a drive that was to be made.

    Attributes:
        source: The recording.
        out: Folder of the drive.
        made: Whether it was made now; False if it was there already, or failed.
        error: Why there is no drive; None if there is.
    """

    source: Path
    out: Path
    made: bool = False
    error: Exception | None = None


class Progress(NamedTuple):
    """How far all drives together are.

    Attributes:
        drives: Drives that are done, or failed.
        images: Images that were read in this run.
        done_bytes: Part of the recordings that is done, by size.
        total_bytes: Size of all recordings.
    """

    drives: int
    images: int
    done_bytes: int
    total_bytes: int


def convert(
    source: Path, out: Path, config: ConvertConfig | None = None, *, threads: int = 1
) -> Drive:
    """Turn a recording into a drive, in this process.

    Every readable image is kept; images without label carry NaN.

    Args:
        source: A bag, or a folder with pictures and a table.
        out: Folder of the drive; it appears only when whole. A drive that is there already, made
            from the same recording with the same options, is not made again.
        config: How. Cameras at the side are left to ``convert_all``.
        threads: Threads that decode.

    Returns:
        The drive.

    Raises:
        BagError: If the recording can't be read, or can't become a drive.
        DriveError: If something else is in the drive's place, another run is writing there, or
            the disk is full.
        ValueError: If an option is wrong.
        OSError: If the drive can't be written.
    """
    job = Job(source, out, config or ConvertConfig(), threads=threads)
    if not is_done(job):
        make_drive(job)
    return Drive(out)


def convert_all(
    sources: Sequence[str | Path],
    out: Path,
    config: ConvertConfig,
    work: WorkConfig | None = None,
    report: Callable[[Progress], None] = lambda _: None,
) -> list[Outcome]:
    """Turn recordings into drives, each at its place in a folder.

    Args:
        sources: Recordings, folders that hold some, and patterns that match them.
        out: Folder for the drives. What killed runs left there is removed.
        config: How.
        work: Who does it.
        report: Called a few times a second.

    Returns:
        What became of each drive, in the order of the recordings.

    Raises:
        BagError: If there is no recording at a source; before anything is done.
        DriveError: If two sources would become one drive; likewise.
        ValueError: If an option is wrong, or there is no such Dask scheduler.
    """
    work = work or WorkConfig()
    recordings = find_recordings(sources)
    if work.dask:  # whose workers stand in other folders
        recordings, out = [path.absolute() for path in recordings], out.absolute()
        config = with_absolute_paths(config)
    jobs = plan(recordings, out, config)
    out.mkdir(parents=True, exist_ok=True)
    sweep(out)
    outcomes = {job: _done_before(job) for job in jobs}
    left = [job for job in jobs if outcomes[job] is None]
    try:
        if left:
            with crew(work, len(left)) as (executor, threads):
                outcomes |= _run(left, threads, executor, report)
    finally:
        sweep(out)
    return [outcome for outcome in outcomes.values() if outcome]


def plan(sources: Sequence[Path], out: Path, config: ConvertConfig) -> list[Job]:
    """The drives that are to be made.

    Args:
        sources: Recordings.
        out: Folder for the drives.
        config: How.

    Returns:
        A job for each drive: of the centre camera and, if asked for, of those beside it.

    Raises:
        DriveError: If two sources would become one drive.
    """
    stop = out / f'.{uuid.uuid4().hex}.stop'
    jobs = []
    for source in sources:
        name = _drive_name(source)
        jobs.append(Job(source, out / name, config, stop=stop))
        if config.side_cameras_deg is not None:
            jobs.append(Job(source, out / f'{name}-left', config, 'left', stop=stop))
            jobs.append(Job(source, out / f'{name}-right', config, 'right', stop=stop))
    for place, count in Counter(job.out for job in jobs).items():
        if count > 1:
            same = ' and '.join(str(job.source) for job in jobs if job.out == place)
            raise DriveError(
                f'sources must have different names, got {same}, which would both become {place}: '
                'rename one, or convert them into different folders'
            )
    return jobs


def _drive_name(source: Path) -> str:
    name = source.resolve().name
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def _done_before(job: Job) -> Outcome | None:
    """What is known of a drive before the work begins."""
    try:
        return Outcome(job.source, job.out) if is_done(job) else None
    except (OSError, ValueError) as error:
        return Outcome(job.source, job.out, error=error)


def _run(
    jobs: list[Job], threads: int, executor: Executor, report: Callable[[Progress], None]
) -> dict[Job, Outcome]:
    board = _Board(jobs)
    futures: dict[Future[bool], Job] = {}
    try:
        for job in board.longest_first():
            futures[_submit(executor, replace(job, threads=threads))] = job
        waiting = set(futures)
        while waiting:
            done, waiting = wait(waiting, _LOOK_S, FIRST_COMPLETED)
            for future in done:
                board.finish(futures[future])
            report(board.progress())
    except BaseException:
        _stop(jobs[0], futures)
        raise
    return {job: _outcome(job, future) for future, job in futures.items()}


def _submit(executor: Executor, job: Job) -> 'Future[bool]':
    try:
        return executor.submit(make_drive, job)
    except BrokenExecutor as error:
        failed: Future[bool] = Future()
        failed.set_exception(error)
        return failed


def _stop(job: Job, futures: dict['Future[bool]', Job]) -> None:
    """Let running work end and give up the rest."""
    if job.stop is None:
        return
    job.stop.touch()
    try:
        for future in futures:
            future.cancel()
        wait(futures)
    finally:
        job.stop.unlink(missing_ok=True)


def _outcome(job: Job, future: 'Future[bool]') -> Outcome:
    try:
        return Outcome(job.source, job.out, made=future.result())
    except (BrokenExecutor, CancelledError) as error:
        died = DriveError(
            f'{job.source}: the worker must live until the drive is done, got one that died '
            f'(killed, or out of memory): start again with fewer --workers; finished drives stay'
        )
        died.__cause__ = error
        return Outcome(job.source, job.out, error=died)
    except Exception as error:  # noqa: BLE001 (whatever it is, it is this source's alone)
        return Outcome(job.source, job.out, error=error)


class _Board:
    """How far each drive is."""

    def __init__(self, jobs: list[Job]) -> None:
        self._sizes = {job: source_size(job.source) for job in jobs}
        self._seen = dict.fromkeys(jobs, (0, 0))
        self._finished: set[Job] = set()

    def longest_first(self) -> list[Job]:
        """So that no long drive begins when all others are done."""
        return sorted(self._sizes, key=lambda job: -self._sizes[job])

    def finish(self, job: Job) -> None:
        self._finished.add(job)

    def progress(self) -> Progress:
        done_bytes = 0
        for job, size in self._sizes.items():
            if job in self._finished:
                done_bytes += size
                continue
            self._seen[job] = images_done(partial(job.out)) or self._seen[job]
            images, total = self._seen[job]
            done_bytes += size * min(images, total) // max(total, 1)
        images = sum(images for images, _ in self._seen.values())
        return Progress(len(self._finished), images, done_bytes, sum(self._sizes.values()))
