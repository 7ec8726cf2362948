"""How far deletion can move an answer at all: a search for the order that moves it most."""

from concurrent.futures import Executor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from signattn.deletion.config import PIXELS, DeletionConfig
from signattn.deletion.one_cell import OneCell
from signattn.deletion.passes import (
    Answers,
    Clean,
    Viewer,
    clean_pass,
    packed,
    quietly,
    run_jobs,
    sources_of,
    unpacked,
)
from signattn.deletion.pictures import baseline, pixels_of
from signattn.drive import Drive
from signattn.model import Network
from signattn.model.encoder import CELLS, COLUMNS, ROWS, Encoder
from signattn.preprocess import HEIGHT, WIDTH

_BATCH = 20
_CHUNK = 4
"""Frames of a job."""


def greedy_maps(
    network: Network,
    drive: Drive,
    config: DeletionConfig,
    frames: NDArray[np.int64],
    *,
    clean: Clean | None = None,
    executor: Executor | None = None,
) -> NDArray[np.float32]:
    """Maps of the cells in the order that moves the answer most.

    Step by step that cell is masked, beside those that are already, which takes the answer
    furthest from that to the whole picture; ``regime: frame``. At 25 % that is 8,775 pictures a
    frame, so give a sample, although only what a cell reaches is computed of each. Their curves,
    without a blur, are the ceiling that networks are compared by.

    Args:
        network: In evaluation mode.
        drive: The drive.
        config: Filling, or cells; its last level says how far the search goes.
        frames: (M,) int64, places of the frames in the drive.
        clean: As ``clean_pass`` gives it, if it is there already.
        executor: Shares the work among threads or processes.

    Returns:
        (M, 80, 160) float32, larger where masked earlier, 0 where not at all.

    Raises:
        ValueError: If config is of an insertion.

    Source: Wang and Wang, TRACE, ICML 2024, for the greedy search.
    """
    if config.mode != 'deletion':
        raise ValueError(f'mode must be deletion for a greedy search, got {config.mode!r}')
    clean = clean or clean_pass(network, drive)
    ship, jobs = packed(network, executor), []
    for start in range(0, len(frames), _CHUNK):
        at = frames[start : start + _CHUNK]
        part = Clean(clean.curvature[at], clean.h[at], clean.c[at], clean.feature)
        pictures = drive.frames[at]
        sources = sources_of(drive, config, at, pictures)
        jobs.append((_search_all, (ship, config, part, pictures, sources)))
    earliness = [each for result in run_jobs(jobs, executor) for each in result]
    grid = np.array(earliness, np.float32).reshape(-1, ROWS, COLUMNS)
    return grid.repeat(8, 1).repeat(8, 2)


def _search_all(
    network: Network | bytes,
    config: DeletionConfig,
    clean: Clean,
    frames: NDArray[np.uint8],
    sources: NDArray[np.uint8],
) -> Answers:
    viewer = Viewer(unpacked(network), _BATCH)
    encoder, one_cell = viewer.network.encoder, None
    if config.space == 'pixels' and isinstance(encoder, Encoder):
        one_cell = OneCell(encoder)
    with quietly():
        searches = [
            _Search(viewer, one_cell, config, clean, place, frame, source).run()
            for place, (frame, source) in enumerate(zip(frames, sources, strict=True))
        ]
    return np.array(searches)


class _Search:
    """The search in one frame, whose cells are (200, …): their pixels, or their features."""

    def __init__(
        self,
        viewer: Viewer,
        one_cell: OneCell | None,
        config: DeletionConfig,
        clean: Clean,
        place: int,
        frame: NDArray[np.uint8],
        source: NDArray[np.uint8],
    ) -> None:
        self._viewer, self._one_cell = viewer, one_cell
        h, c = clean.state(place)
        self._state = (h.to(viewer.device), c.to(viewer.device))
        self._opened = viewer.network.opened(self._state[0])  # the same in all steps
        self._in_features = config.space == 'cells'
        self._steps = int(np.rint(config.levels[-1] / 100 * CELLS))
        whole = pixels_of(frame)
        if self._in_features:
            self._cells = viewer.encode(whole[None])[0].cpu().numpy()
            self._filling = np.broadcast_to(clean.feature, self._cells.shape)
        else:
            self._cells = _to_cells(whole)
            self._filling = _to_cells(pixels_of(baseline(source, config)))

    def run(self) -> NDArray[np.float64]:
        """(200,) float64, how early each cell is masked; 0 if it isn't."""
        whole = self._answer(self._features(self._cells[None]))
        left, earliness = np.arange(CELLS), np.zeros(CELLS)
        for step in range(self._steps):
            best = int((self._answer(self._with_each(left)) - whole).abs().argmax())
            self._cells[left[best]] = self._filling[left[best]]
            earliness[left[best]] = self._steps - step
            left = np.delete(left, best)
        return earliness

    def _with_each(self, left: NDArray[np.int64]) -> Tensor:
        """Features (N, L, D) with each of N cells masked, beside those that are already."""
        if self._one_cell is not None:
            return self._one_cell(
                self._picture(self._cells),
                self._picture(self._filling),
                torch.from_numpy(left).to(self._viewer.device),
            )
        tried = np.repeat(self._cells[None], len(left), 0)
        tried[np.arange(len(left)), left] = self._filling[left]
        return self._features(tried)

    def _picture(self, cells: NDArray[np.float32]) -> Tensor:
        """(3, 80, 160) float32 of cells of pixels."""
        pixels = torch.from_numpy(_to_pixels(cells[None])[0]).to(self._viewer.device)
        return pixels.view(HEIGHT, WIDTH, 3).permute(2, 0, 1)

    def _features(self, cells: NDArray[np.float32]) -> Tensor:
        """(P, L, D) float32 of P pictures' cells."""
        if self._in_features:
            return torch.from_numpy(cells).to(self._viewer.device)
        return self._viewer.encode(_to_pixels(cells))

    def _answer(self, features: Tensor) -> Tensor:
        return self._viewer.network.answer_each(features, self._state, self._opened)


def _to_cells(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """(12800, 3) pixels as (200, 8, 8, 3)."""
    rows = pixels.reshape(ROWS, 8, COLUMNS, 8, 3)
    return np.reshape(rows.swapaxes(1, 2), (CELLS, 8, 8, 3))


def _to_pixels(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """(P, 200, 8, 8, 3) cells as (P, 12800, 3)."""
    rows = cells.reshape(-1, ROWS, COLUMNS, 8, 8, 3)
    return np.reshape(rows.swapaxes(2, 3), (-1, PIXELS, 3))
