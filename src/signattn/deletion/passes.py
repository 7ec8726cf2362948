"""The network's answers to a drive as it is, and with its pictures masked."""

import contextlib
import functools
import math
import pickle
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from signattn.deletion.config import PIXELS, DeletionConfig
from signattn.deletion.pictures import (
    Order,
    baseline,
    cell_order,
    masked_order,
    pixels_of,
    write_levels,
)
from signattn.drive import Drive, frames_apart
from signattn.model import Network, State
from signattn.model.encoder import (
    CELLS,
    CHANNELS,
    COLUMNS,
    ROWS,
    Encoder,
    features_of,
    fold_norm,
)
from signattn.preprocess import HEIGHT, WIDTH

Floats = NDArray[np.float32]
Answers = NDArray[np.float64]
Job = tuple[Callable[..., Answers], tuple[Any, ...]]

WINDOW = 16
"""Frames of a stream, and states of single frames, that go through the network at once."""
_MOST = 13
"""Most levels that go through the network at once: half the usual 26, which caches like better."""


class Clean(NamedTuple):
    """What the network makes of a drive as it is.

    Attributes:
        curvature: (N,) float64, 1/m.
        h: (N, hidden) float32, before each frame; the state carried, afresh behind a gap.
        c: (N, hidden) float32, likewise.
        feature: (D,) float32, mean over frames and cells.
    """

    curvature: Answers
    h: Floats
    c: Floats
    feature: Floats

    def state(self, place: int | slice | NDArray[np.int64]) -> State:
        """State before some of the frames, (h, c), each (n, hidden)."""
        h, c = (torch.from_numpy(np.atleast_2d(part[place])) for part in (self.h, self.c))
        return h, c


class Marked(NamedTuple):
    """Frames with the maps that say what is masked first.

    Attributes:
        frames: (M, 80, 160, 3) uint8, HSV.
        sources: (M, 80, 160, 3) uint8, HSV, what the fillings are made of: the frames themselves,
            or of ``donor`` those of another moment, see ``sources_of``.
        saliency: (M, 80, 160) float.
        places: (M,) int64, in the drive: each frame has its own noise, whoever asks.
    """

    frames: NDArray[np.uint8]
    sources: NDArray[np.uint8]
    saliency: NDArray[np.floating]
    places: Order


def clean_pass(network: Network, drive: Drive) -> Clean:
    """Answers and states of the unmasked drive, which all maps of a network share.

    Args:
        network: In evaluation mode.
        drive: The drive.

    Returns:
        Answers, the state before each frame, and the mean feature.

    Raises:
        ValueError: If the network is being trained.
    """
    viewer = Viewer(network, WINDOW)
    curvature = np.empty(len(drive))
    h, c = (np.empty((len(drive), network.config.hidden), np.float32) for _ in range(2))
    total = torch.zeros(CHANNELS, dtype=torch.float64)
    with quietly():
        for stretch in drive.stretches():
            state: State | None = None
            for window, padded in _windows(stretch):
                frames = np.stack([pixels_of(frame) for frame in drive.frames[padded]])
                features = viewer.encode(frames)
                output = network.answer(features[None], state)
                state, count = output.state, window.stop - window.start
                curvature[window] = output.curvature[0, :count].cpu().numpy()
                h[window], c[window] = (part[0, :count].cpu().numpy() for part in output.before)
                total += features[:count].sum((0, 1)).double().cpu()
    feature = (total / (CELLS * max(len(drive), 1))).float().numpy()
    return Clean(curvature, h, c, feature)


class Viewer:
    """Shows pictures to a network's encoder, in batches of one size.

    So that no answer depends on what else is asked: in batches of different sizes features differ
    in their last bits, and a sign may flip.
    """

    def __init__(self, network: Network, batch: int) -> None:
        """Prepare a network.

        Args:
            network: In evaluation mode.
            batch: Pictures in a batch.

        Raises:
            ValueError: If the network is being trained.
        """
        if network.training:
            raise ValueError('network must be in evaluation mode, got one in training')
        self.network, self.batch = network, batch
        self.device = network.curvature_scale.device
        self._see: Callable[[Tensor], Tensor] = network.encoder
        if isinstance(network.encoder, Encoder):
            self._see = functools.partial(features_of, fold_norm(network.encoder.layers))

    def encode(self, pictures: Floats) -> Tensor:
        """Features of pictures.

        Args:
            pictures: (P, 12800, 3) float32, the network's numbers, pixel by pixel.

        Returns:
            (P, L, D) float32.
        """
        features = []
        for start in range(0, len(pictures), self.batch):
            part = pictures[start : start + self.batch]
            if len(part) < self.batch:
                part = np.concatenate([part, np.repeat(part[-1:], self.batch - len(part), 0)])
            frames = torch.from_numpy(part).to(self.device).unflatten(1, (HEIGHT, WIDTH))
            features.append(self._see(frames.permute(0, 3, 1, 2)))
        together = features[0] if len(features) == 1 else torch.cat(features)
        return together[: len(pictures)]


class Masker:
    """Features of the levels of a frame."""

    def __init__(
        self, viewer: Viewer, config: DeletionConfig, counts: Order, feature: Floats | None
    ) -> None:
        """Prepare for some levels.

        Args:
            viewer: Of the network.
            config: How frames are masked.
            counts: (R,) int64, rising, pixels or cells that are changed at each level.
            feature: (D,) float32, what replaces cells; None for pixels.
        """
        self._viewer, self._config, self._counts = viewer, config, counts
        self._feature = None if feature is None else np.broadcast_to(feature, (CELLS, CHANNELS))
        self._pictures = np.empty((len(counts), PIXELS, 3), np.float32)

    def __call__(self, marked: Marked, row: int) -> Tensor:
        """Features of all levels.

        Args:
            marked: Frames.
            row: Which one.

        Returns:
            (R, L, D) float32.
        """
        frame, source, saliency, place = (part[row] for part in marked)
        rng = np.random.default_rng((self._config.seed, int(place)))
        if self._feature is not None:
            clean = self._viewer.encode(pixels_of(frame)[None])[0].cpu().numpy()
            features = np.empty((len(self._counts), CELLS, CHANNELS), np.float32)
            self._write(clean, self._feature, cell_order(saliency, rng), features)
            return torch.from_numpy(features).to(self._viewer.device)
        order = masked_order(saliency, self._config.blur_px, rng)
        filling = pixels_of(baseline(source, self._config))
        self._write(pixels_of(frame), filling, order, self._pictures)
        return self._viewer.encode(self._pictures)

    def _write(self, clean: Floats, filling: Floats, order: Order, out: Floats) -> None:
        first, last = clean, filling
        if self._config.mode == 'insertion':
            first, last = filling, clean
        write_levels(first, last, order, self._counts, out)


def frame_answers(
    network: Network | bytes,
    config: DeletionConfig,
    clean: Clean,
    marked: Marked,
) -> Answers:
    """Answers to masked frames, each from the state that the clean pass carried to it.

    Args:
        network: In evaluation mode; or packed.
        config: How frames are masked.
        clean: Of these frames.
        marked: The M frames.

    Returns:
        (R, M) float64, 1/m, a row for each of ``config.rows``.
    """
    network = unpacked(network)
    # The answer to the whole picture is there already.
    whole = config.rows().index(config.clean_level)
    changed = np.delete(np.arange(len(config.rows())), whole)
    groups = grouped(config.counts()[changed])
    viewer = Viewer(network, groups.shape[1] if config.space == 'pixels' else 1)
    feature = clean.feature if config.space == 'cells' else None
    answers = np.empty((len(config.rows()), len(marked.frames)))
    answers[whole] = clean.curvature
    with quietly():
        show = Masker(viewer, config, groups.ravel(), feature)
        for window, padded in _windows(slice(0, len(marked.frames))):
            h, c = (part.to(viewer.device) for part in clean.state(padded))
            opened = network.opened(h)  # for all of them its weights are read once
            for row, place in enumerate(range(window.start, window.stop)):
                features = show(marked, place)
                own = slice(row, row + 1)
                gate = None if opened is None else opened[own]
                answer = network.answer_each(features, (h[own], c[own]), gate)
                answers[changed, place] = answer[: len(changed)].cpu().numpy()
    return answers


def stream_answers(
    network: Network | bytes,
    config: DeletionConfig,
    counts: Order,
    marked: Marked,
    feature: Floats | None,
) -> Answers:
    """Answers to a stretch of masked frames, a state carried for each level.

    Args:
        network: In evaluation mode; or packed.
        config: How frames are masked.
        counts: (G,) int64, the levels of a group.
        marked: The N frames of a stretch without gap.
        feature: (D,) float32, what replaces cells; None for pixels.

    Returns:
        (G, N) float64, 1/m.
    """
    network = unpacked(network)
    viewer = Viewer(network, len(counts) if config.space == 'pixels' else 1)
    answers, state = np.empty((len(counts), len(marked.frames))), None
    with quietly():
        show = Masker(viewer, config, counts, feature)
        for window, padded in _windows(slice(0, len(marked.frames))):
            features = torch.stack([show(marked, place) for place in padded], 1)  # (G, T, L, D)
            output = network.answer(features, state, _any_map(network, features))
            state = output.state
            answers[:, window] = output.curvature[:, : window.stop - window.start].cpu().numpy()
    return answers


def sources_of(
    drive: Drive, config: DeletionConfig, places: Order, frames: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """The pictures that fillings are made of.

    Args:
        drive: The drive.
        config: Which filling.
        places: (M,) int64, of the frames in the drive.
        frames: (M, 80, 160, 3) uint8, HSV.

    Returns:
        (M, 80, 160, 3) uint8, HSV: ``frames`` themselves, or of ``donor`` those 10 s before, of a
        drive below 30 s a third of it before; in a drive cut to what is tested, of what is left.

    Raises:
        ValueError: If a drive of one frame should lend another.
    """
    if config.filling != 'donor':
        return frames
    # Neither of 10 s later nor, in a short drive, of half of it before, which is the same picture:
    # the control's map of then would show where that picture has its causes.
    apart = frames_apart(len(drive), drive.preprocessing.rate_hz)
    apart = max(1, min(apart, len(drive) // 3))
    return np.asarray(drive.frames[(places - apart) % len(drive)])


def grouped(counts: Order) -> Order:
    """Counts of changed pixels or cells in groups of one size, which go through together.

    Args:
        counts: (R,) int64, one of each level.

    Returns:
        (groups, G) int64; the last group may end with repetitions.
    """
    groups = math.ceil(len(counts) / _MOST)
    size = math.ceil(len(counts) / groups)
    padded = np.pad(counts, (0, groups * size - len(counts)), mode='edge')
    return padded.reshape(groups, size)


def run_jobs(jobs: list[Job], executor: Executor | None) -> Iterable[Answers]:
    """Results of jobs in their order.

    Args:
        jobs: Functions and their arguments.
        executor: Runs them; here, one after the other, if not given.

    Returns:
        The results.
    """
    if executor is None:
        return (function(*arguments) for function, arguments in jobs)
    futures = [executor.submit(function, *arguments) for function, arguments in jobs]
    return (future.result() for future in futures)


def packed(network: Network, executor: Executor | None) -> Network | bytes:
    """A network as it goes to an executor.

    To processes as bytes: tensors would go through shared memory, of which containers have little.
    """
    return pickle.dumps(network) if isinstance(executor, ProcessPoolExecutor) else network


def unpacked(network: Network | bytes) -> Network:
    """The network that ``packed`` packed; once in a process."""
    return _unpickled(network) if isinstance(network, bytes) else network


@functools.lru_cache(maxsize=1)
def _unpickled(network: bytes) -> Network:
    made: Network = pickle.loads(network)  # noqa: S301 made by the process that asks
    return made


def _any_map(network: Network, features: Tensor) -> Tensor | None:
    """A map where it is without effect, so that none is computed."""
    if network.config.attention != 'sign':
        return None
    return features.new_full((*features.shape[:2], ROWS, COLUMNS), 1 / CELLS)


def _windows(stretch: slice) -> Iterator[tuple[slice, Order]]:
    """Windows of a stretch, and the frames of each, the last one filled up with its last frame."""
    for start in range(stretch.start, stretch.stop, WINDOW):
        stop = min(start + WINDOW, stretch.stop)
        yield slice(start, stop), np.arange(start, start + WINDOW).clip(max=stop - 1)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """No gradient; and one thread, as there is a process for each core and sums depend on it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(threads)
