"""Features of a picture when one cell of it shows something else, computed where they change."""

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from signattn.model.encoder import COLUMNS, ROWS, Encoder, fold_norm

CELL = 8
"""Pixels along a cell's edge."""


class _Layer(NamedTuple):
    """A convolution on the squares around cells; places count from a cell's first row or column.

    Attributes:
        convolution: Whose weights are used.
        relu: Whether a ReLU follows.
        pitch: Rows of its input from one cell to the next.
        first: Row of the input that begins the square that is needed.
        size: Rows of that square.
        changed: Where in it lies what changed, its rows.
        inside: (200, 1, rows, rows) float32, 1 where what changed lies within the picture.
    """

    convolution: nn.Conv2d
    relu: bool
    pitch: int
    first: int
    size: int
    changed: slice
    inside: Tensor


class OneCell:
    """An encoder that sees one picture again and again, each time with another cell replaced.

    A cell's 64 pixels reach 7×7 cells of features through squares that grow from layer to layer:
    a twelfth of the multiply-adds of a whole picture.
    """

    def __init__(self, encoder: Encoder) -> None:
        """Find out how far a cell reaches.

        Args:
            encoder: In evaluation mode.
        """
        layers = [*fold_norm(encoder.layers), None]
        self._layers = list[_Layer]()
        pitch, start, rows = CELL, 0, CELL
        for convolution, following in itertools.pairwise(layers):
            if not isinstance(convolution, nn.Conv2d):
                continue
            kernel, stride, padding = (
                int(each[0])
                for each in (convolution.kernel_size, convolution.stride, convolution.padding)
            )
            # Outputs that see one of the rows from start on.
            begin = -((kernel - 1 - padding - start) // stride)
            end = (start + rows - 1 + padding) // stride + 1
            first, size = begin * stride - padding, (end - begin - 1) * stride + kernel
            changed = slice(start - first, start - first + rows)
            inside = _squares(torch.ones(1, 1, ROWS * pitch, COLUMNS * pitch), pitch, start, rows)
            relu, inside = isinstance(following, nn.ReLU), inside.to(convolution.weight)
            self._layers.append(_Layer(convolution, relu, pitch, first, size, changed, inside))
            pitch, start, rows = pitch // stride, begin, end - begin
        self._start, self._rows = start, rows

    def __call__(self, picture: Tensor, filling: Tensor, cells: Tensor) -> Tensor:
        """Features of the picture with each of some cells replaced.

        Args:
            picture: (3, 80, 160) float32, the network's numbers.
            filling: (3, 80, 160) float32, what a replaced cell shows.
            cells: (N,) int64, which cell, row by row, in each of N pictures.

        Returns:
            (N, L, D) float32, to rounding those of the whole pictures.
        """
        whole = picture[None]  # of this picture, layer by layer
        part = _squares(filling[None], CELL, 0, CELL)[cells]  # (N, C, rows, rows), what changed
        for layer in self._layers:
            squares = _squares(whole, layer.pitch, layer.first, layer.size)[cells]
            # Beyond the picture's edge all layers see zeros.
            squares[:, :, layer.changed, layer.changed] = part * layer.inside[cells]
            convolution = layer.convolution
            part = conv2d(squares, convolution.weight, convolution.bias, convolution.stride)
            whole = convolution(whole)
            if layer.relu:
                part, whole = part.relu_(), whole.relu_()
        return self._pasted(whole, part, cells)

    def _pasted(self, whole: Tensor, part: Tensor, cells: Tensor) -> Tensor:
        """Features (N, L, D): those of the picture (1, D, 10, 20), and what changed put in."""
        before, behind = -self._start, self._start + self._rows - 1
        roomy = pad(whole, (before, behind, before, behind))[0].permute(1, 2, 0)
        pasted = roomy.repeat(len(cells), 1, 1, 1)  # (N, 10 + …, 20 + …, D)
        along = torch.arange(self._rows, device=cells.device)
        rows = (cells // COLUMNS)[:, None, None] + along[:, None]
        columns = (cells % COLUMNS)[:, None, None] + along
        each = torch.arange(len(cells), device=cells.device)[:, None, None]
        pasted[each, rows, columns] = part.permute(0, 2, 3, 1)
        return pasted[:, before : before + ROWS, before : before + COLUMNS].flatten(1, 2)


def _squares(whole: Tensor, pitch: int, first: int, size: int) -> Tensor:
    """The square around each cell, (200, C, size, size), with zeros beyond (1, C, H, W)'s edge."""
    behind = first + size - pitch
    roomy = pad(whole, (-first, behind, -first, behind))
    squares = roomy.unfold(2, size, pitch).unfold(3, size, pitch)[0]  # (C, 10, 20, size, size)
    # Channels last, as convolutions on a CPU like them.
    return squares.permute(1, 2, 3, 4, 0).flatten(0, 1).permute(0, 3, 1, 2)
