"""How figures look, and their files."""

import base64
import io
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

INK, MARK = '#1f4e79', '#d9822b'
STYLE: Any = {
    'font.size': 9.0,
    'axes.grid': True,
    'axes.axisbelow': True,
    'grid.color': '#e5e5e5',
    'axes.edgecolor': '#888888',
    'axes.spines.top': False,
    'axes.spines.right': False,
    'svg.hashsalt': 'signattn',
}


def png(figure: Figure) -> bytes:
    """A figure as PNG, without the versions of programs: the same figure gives the same bytes."""
    return _saved(figure, 'png', dpi=150, metadata={'Software': None})


def svg(figure: Figure) -> bytes:
    """A figure as SVG, without a date."""
    return _saved(figure, 'svg', metadata={'Date': None})


def _saved(figure: Figure, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(file, format=kind, **options)
    return file.getvalue()


def picture_uri(rgb: NDArray[np.uint8]) -> str:
    """A picture (H, W, 3) uint8, RGB, as the data URI of a JPEG."""
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return data_uri(data.tobytes(), 'jpeg')


def data_uri(data: bytes, kind: str) -> str:
    """A picture as it stands in a page that needs no other file.

    Args:
        data: The file.
        kind: ``jpeg``, ``png`` or ``svg+xml``.

    Returns:
        Its data URI.
    """
    return f'data:image/{kind};base64,{base64.b64encode(data).decode()}'
