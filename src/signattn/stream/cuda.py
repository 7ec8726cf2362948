"""The network in torch on a GPU, each half of a step launched as a whole."""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from signattn.model import Network
from signattn.model.encoder import CELLS, COLUMNS, ROWS
from signattn.preprocess import HEIGHT, WIDTH
from signattn.stream.backend import Step
from signattn.stream.split import Answer, Prepared, SplitStep

_WARM_UP = 3


class CudaBackend:
    """Three CUDA graphs (begin, answer, prepare) over buffers that stay where they are.

    A step is some forty small kernels: launched one by one they take longer than they run. The
    frame goes to the GPU and the answer back by pinned memory, as part of the graph.
    """

    def __init__(self, network: Network, device: torch.device) -> None:
        """Capture the graphs.

        Args:
            network: The network; it's used, not copied, and goes to the device.
            device: A GPU.
        """
        self.name = f'torch on {device}, CUDA graphs'
        self._device = device
        self._split = SplitStep(network.to(device))
        self._stream = torch.cuda.Stream(device)
        self._shown = torch.zeros(1, HEIGHT, WIDTH, 3, dtype=torch.uint8).pin_memory()
        self._said = torch.zeros(1 + CELLS).pin_memory()
        # TF32 would round the convolutions to ten bits, which flips signs.
        exact = torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False)
        with torch.inference_mode(), torch.cuda.device(device), exact:
            self._frame = self._shown.to(device)
            features = self._split.features(self._frame)
            # Copies: W_β of ``head: kim`` must stay the network's.
            self._prepared = Prepared(*map(torch.clone, self._split.begin(features)))
            self._behind = Answer(*map(torch.clone, self._split.answer(features, self._prepared)))
            works = (self._do_begin, self._do_answer, self._do_prepare)
            self._begin, self._answer, self._prepare = map(self._captured, works)
        self._begun = self._answered = False

    def _do_begin(self) -> None:
        self._frame.copy_(self._shown, non_blocking=True)
        _fill(self._prepared, self._split.begin(self._split.features(self._frame)))

    def _do_answer(self) -> None:
        self._frame.copy_(self._shown, non_blocking=True)
        features = self._split.features(self._frame)
        _fill(self._behind, self._split.answer(features, self._prepared))
        said = torch.cat([self._behind.curvature.flatten(), self._behind.attention.flatten()])
        self._said.copy_(said, non_blocking=True)

    def _do_prepare(self) -> None:
        _fill(self._prepared, self._split.prepare(self._behind))

    def _captured(self, work: Callable[[], None]) -> torch.cuda.CUDAGraph:
        """Kernels of some work, done a few times before: libraries set themselves up at first."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM_UP):
                work()
        self._stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream):
            work()
        return graph

    def _replay(self, *graphs: torch.cuda.CUDAGraph) -> None:
        with torch.cuda.device(self._device), torch.cuda.stream(self._stream):
            for graph in graphs:
                graph.replay()
        self._stream.synchronize()

    def answer(self, frame: NDArray[np.uint8]) -> Step:
        """As of ``Backend``."""
        self._shown.numpy()[0] = frame
        self._replay(*([] if self._begun else [self._begin]), self._answer)
        self._begun = self._answered = True
        said = self._said.numpy().copy()
        return Step(float(said[0]), said[1:].reshape(ROWS, COLUMNS))

    def prepare(self) -> None:
        """As of ``Backend``."""
        if self._answered:
            self._replay(self._prepare)
        self._answered = False

    def reset(self) -> None:
        """As of ``Backend``."""
        self._begun = self._answered = False

    def products(self) -> NDArray[np.float32]:
        """x̂ of the last answer, to be looked at.

        Returns:
            (L, C) float32, in levels where the network has them.
        """
        products: NDArray[np.float32] = self._split.in_levels(self._behind.products).cpu().numpy()
        return products


def _fill(buffers: Iterable[Tensor], values: Iterable[Tensor]) -> None:
    for buffer, value in zip(buffers, values, strict=True):
        buffer.copy_(value)
