"""Frame in, curvature and attention out, state kept: what the vehicle runs."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from signattn.continuity import Continuity
from signattn.model import Checkpoint, State, load
from signattn.preprocess import (
    HEIGHT,
    MAX_GAP_S,
    WIDTH,
    Preprocessing,
    RateGate,
    network_input,
    scale,
)


class Step(NamedTuple):
    """The answer to one picture.

    Attributes:
        curvature: 1/m, left positive.
        attention: (10, 20) float32, sums to 1.
    """

    curvature: float
    attention: NDArray[np.float32]


class Engine:
    """A network that answers a stream of pictures, one at a time, and remembers.

    What it remembers holds for one unbroken stream of one camera. ``accepts`` and ``step`` forget
    the past by themselves where a picture doesn't continue the one before: its stamp goes back or
    lies behind a gap, its frame_id or size is another.

    Attributes:
        on_reset: Called with the reason whenever they do.
    """

    def __init__(self, model: str | Path | Checkpoint, device: str = 'auto') -> None:
        """Load a model.

        Args:
            model: A checkpoint, or its folder.
            device: ``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``cuda:N``.

        Raises:
            CheckpointError: If the checkpoint can't be used.
            ValueError: If the device doesn't exist, or the model's preprocessing is not ours.
        """
        checkpoint = model if isinstance(model, Checkpoint) else load(model)
        self.device = find_device(device)
        self.name = checkpoint.name
        self.checksum = checkpoint.checksum
        self.vehicle = checkpoint.vehicle
        self.training = checkpoint.training
        self.preprocessing = Preprocessing.from_mapping(checkpoint.preprocessing)
        self._network = checkpoint.network.to(self.device).eval()
        self._gate = RateGate(self.preprocessing.rate_hz)
        self._state: State | None = None
        self._continuity = Continuity()
        self.on_reset: Callable[[str], object] = lambda _: None

    def accepts(self, stamp_ns: int, frame_id: str = '', max_gap_s: float = MAX_GAP_S) -> bool:
        """Whether the picture of this stamp is the one for the tick that is due.

        The network learned steps of 1/rate_hz; the pictures between them must be skipped. Ask once
        for every picture, in order.

        Args:
            stamp_ns: ns, the picture's stamp.
            frame_id: The camera's frame.
            max_gap_s: s, longest gap between two pictures of one stream.

        Returns:
            True if ``step`` should be called with it.
        """
        self._break(self._continuity.stamped(stamp_ns, frame_id, max_gap_s))
        return self._gate.accept(stamp_ns)

    def step(self, image: NDArray[np.uint8]) -> Step:
        """Answer the next picture and carry the state on.

        Args:
            image: (H, W, 3) uint8, RGB.

        Returns:
            Curvature and attention.

        Raises:
            ImageError: If image is no (H, W, 3) uint8; the state stays as it was.
        """
        frame = network_input(image, self.preprocessing)
        stamp_ns = self._continuity.last_stamp_ns
        if self._break(self._continuity.decoded(*image.shape[:2])) and stamp_ns is not None:
            self._gate.accept(stamp_ns)  # the ticks begin anew with this picture
        step = self.step_frame(frame)
        self._continuity.use()
        return step

    def _break(self, reason: str) -> bool:
        """Forget the past if there is a reason to, and say it."""
        if reason:
            self._state = None
            self._gate.reset()
            self.on_reset(reason)
        return bool(reason)

    def step_frame(self, frame: NDArray[np.uint8]) -> Step:
        """Answer the next frame of a converted drive and carry the state on.

        Args:
            frame: (80, 160, 3) uint8, HSV.

        Returns:
            Curvature and attention.
        """
        frames = torch.from_numpy(scale(frame[None, None])).to(self.device)  # (1, 1, 3, 80, 160)
        with torch.inference_mode():
            output = self._network(frames, self._state)
        self._state = output.state
        return Step(float(output.curvature[0, 0]), output.attention[0, 0].cpu().numpy())

    def reset(self) -> None:
        """Forget the past: the next picture is the first of a drive."""
        self._state = None
        self._gate.reset()
        self._continuity = Continuity()

    def warm_up(self, steps: int = 3) -> None:
        """Run a few steps, so that the first real one isn't slow, and forget them.

        Args:
            steps: How many.
        """
        for _ in range(steps):
            self.step_frame(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
        self.reset()


def find_device(device: str) -> torch.device:
    """The device of a name.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Returns:
        The device.

    Raises:
        ValueError: If it's no such name, or there is no such device here.
    """
    if device == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f'device must be auto, cpu, cuda or cuda:N, got {device!r}') from error
    if found.type not in ('cpu', 'cuda'):
        raise ValueError(f'device must be auto, cpu, cuda or cuda:N, got {device!r}')
    available = torch.cuda.device_count()
    if found.type == 'cuda' and (found.index or 0) >= available:
        raise ValueError(f'device must exist, got {device!r} with {available} CUDA devices here')
    return found
