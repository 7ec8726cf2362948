"""Maps of several networks of the same pictures, as in the paper's Fig. 8."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from signattn.drive import Drive
from signattn.explain import EXPLAINERS, explain
from signattn.heatmap import heatmap, overlay
from signattn.model import load

_SIDE = 8  # px of a cell
_STYLE: Any = {'font.size': 8.0, 'svg.hashsalt': 'signattn'}


def map_figure(models: Mapping[str, Path], drive: Drive, frames: NDArray[np.int64]) -> Figure:
    """Attention of networks over the same pictures.

    Args:
        models: Folder of each network's checkpoint, by name; those without attention are left out.
        drive: The drive; the state is carried from its first frame.
        frames: (K,) which pictures, rising.

    Returns:
        A row for each picture: itself, and each network's map over it.
    """
    cut = drive.cut(np.arange(len(drive)) <= frames[-1])
    pictures = [cv2.cvtColor(drive.frames[at], cv2.COLOR_HSV2RGB) for at in frames]
    columns = {'': pictures}
    for name, path in models.items():
        network = load(path).network
        if network.attention is not None:
            maps = explain(cut, network, EXPLAINERS['attention'](), frames).saliency
            columns[name] = [
                _over(picture, each) for picture, each in zip(pictures, maps, strict=True)
            ]
    with mpl.rc_context(_STYLE):
        size = (1.9 * len(columns), 1.0 * len(frames) + 0.3)
        figure = Figure(figsize=size, layout='constrained')
        grid = figure.subplots(len(frames), len(columns), squeeze=False)
        for place, (name, column) in enumerate(columns.items()):
            grid[0, place].set_title(name)
            for axes, picture in zip(grid[:, place], column, strict=True):
                axes.imshow(picture)
                axes.set_axis_off()
    return figure


def _over(picture: NDArray[np.uint8], saliency: NDArray[np.float64]) -> NDArray[np.uint8]:
    cells = saliency[::_SIDE, ::_SIDE].astype(np.float32)
    return overlay(picture, heatmap(cells, *picture.shape[:2]))
