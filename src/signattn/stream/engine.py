"""Frame in, curvature and attention out, state kept: what the vehicle runs."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from signattn.continuity import Continuity
from signattn.model import Checkpoint, load
from signattn.preprocess import (
    HEIGHT,
    MAX_GAP_S,
    WIDTH,
    Preprocessing,
    RateGate,
    network_input,
)
from signattn.stream.backend import BackendName, Step, Weights
from signattn.stream.choose import choose_backend
from signattn.stream.device import find_device


class Engine:
    """A network that answers a stream of pictures, one at a time, and remembers.

    What it remembers holds for one unbroken stream of one camera. ``accepts`` and ``step`` forget
    the past by themselves where a picture doesn't continue the one before: its stamp goes back or
    lies behind a gap, its frame_id or size is another.

    Threads may call it as they like: each call is whole.

    Attributes:
        backend: What runs the network.
        on_reset: Called with the reason whenever they do.
    """

    def __init__(
        self,
        model: str | Path | Checkpoint,
        device: str = 'auto',
        backend: BackendName = 'torch',
        weights: Weights = 'fp32',
    ) -> None:
        """Load a model.

        Args:
            model: A checkpoint, or its folder. The engine takes its network for itself.
            device: ``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``cuda:N``.
            backend: What runs the network; see ``choose_backend``. With ``auto`` the last bits
                are those of what was quicker at the time.
            weights: ``fp32``, or ``int8`` for those of LSTM and gate.

        Raises:
            CheckpointError: If the checkpoint can't be used.
            ValueError: If the device or the back end doesn't exist, or the model's preprocessing
                is not ours.
        """
        checkpoint = model if isinstance(model, Checkpoint) else load(model)
        self.device = find_device(device)
        self.name = checkpoint.name
        self.checksum = checkpoint.checksum
        self.vehicle = checkpoint.vehicle
        self.training = checkpoint.training
        self.preprocessing = Preprocessing.from_mapping(checkpoint.preprocessing)
        self.backend = choose_backend(checkpoint.network, backend, self.device, weights)
        self._gate = RateGate(self.preprocessing.rate_hz)
        self._continuity = Continuity()
        self._lock = threading.RLock()
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
            True if ``answer`` or ``step`` should be called with it.
        """
        with self._lock:
            self._break(self._continuity.stamped(stamp_ns, frame_id, max_gap_s))
            return self._gate.accept(stamp_ns)

    def step(self, image: NDArray[np.uint8]) -> Step:
        """Answer the next picture and carry the state on: ``answer``, then ``prepare``.

        Args:
            image: (H, W, 3) uint8, RGB.

        Returns:
            Curvature and attention.

        Raises:
            ImageError: If image is no (H, W, 3) uint8; the state stays as it was.
        """
        with self._lock:
            step = self.answer(image)
            self.prepare()
        return step

    def answer(self, image: NDArray[np.uint8]) -> Step:
        """Answer the next picture; the state is carried on by ``prepare``.

        What is answered can be published before that. Without it the next call does it first.

        Args:
            image: (H, W, 3) uint8, RGB.

        Returns:
            Curvature and attention.

        Raises:
            ImageError: If image is no (H, W, 3) uint8; the state stays as it was.
        """
        frame = network_input(image, self.preprocessing)
        with self._lock:
            stamp_ns = self._continuity.last_stamp_ns
            if self._break(self._continuity.decoded(*image.shape[:2])) and stamp_ns is not None:
                self._gate.accept(stamp_ns)  # the ticks begin anew with this picture
            step = self.answer_frame(frame)
            self._continuity.use()
        return step

    def _break(self, reason: str) -> bool:
        """Forget the past if there is a reason to, and say it."""
        if reason:
            self.backend.reset()
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
        with self._lock:
            step = self.answer_frame(frame)
            self.prepare()
        return step

    def answer_frame(self, frame: NDArray[np.uint8]) -> Step:
        """Answer the next frame of a converted drive, as ``answer`` does a picture.

        Args:
            frame: (80, 160, 3) uint8, HSV.

        Returns:
            Curvature and attention.
        """
        with self._lock:
            self.backend.prepare()
            return self.backend.answer(frame)

    def prepare(self) -> None:
        """Compute what the next answer needs and the next picture has no part in.

        Does nothing where there is nothing to do: it was done, or the past was forgotten since.
        """
        with self._lock:
            self.backend.prepare()

    def reset(self) -> None:
        """Forget the past: the next picture is the first of a drive."""
        with self._lock:
            self.backend.reset()
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
