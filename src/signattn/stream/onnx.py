"""The network in ONNX Runtime."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from signattn.model import Network
from signattn.model.encoder import CELLS, COLUMNS, ROWS
from signattn.stream.backend import Step, Weights
from signattn.stream.graphs import StepModels, step_models

_ON_GPU = ('TensorrtExecutionProvider', 'CUDAExecutionProvider')
_ON_CPU = ('CPUExecutionProvider',)
_ERRORS_ONLY = 3
Values = dict[str, Any]
"""Arrays by name: numpy's on a CPU, ONNX Runtime's where they stay on a GPU."""


class OnnxBackend:
    """Runs on a CPU, and on a GPU where ONNX Runtime has CUDA or TensorRT."""

    def __init__(
        self,
        network: Network,
        device: torch.device,
        weights: Weights = 'fp32',
    ) -> None:
        """Turn a network into models, and load them.

        Args:
            network: The network; it's copied.
            device: Where it runs. On a CPU it takes as many threads as torch does.
            weights: ``int8`` rounds those of LSTM and gate: on a CPU only.

        Raises:
            ValueError: If ONNX Runtime can't run it there.
        """
        if weights != 'fp32' and device.type != 'cpu':
            raise ValueError(f'weights must be fp32 on {device}, got {weights!r}')
        providers = providers_on(device)
        if not providers:
            there = onnxruntime.get_available_providers()
            raise ValueError(
                f'onnxruntime must have one of {_ON_GPU} for {device}, got {there}: install '
                'onnxruntime-gpu, or set the device to cpu'
            )
        network = network.cpu()
        # What a GPU's can't do the CPU's does.
        providers = list(dict.fromkeys([*providers, *_ON_CPU]))
        models = step_models(network, weights)
        self._sessions = {
            name: _Session(model, providers, device)
            for name, model in zip(StepModels._fields, models, strict=True)
        }
        # Which one it became: a GPU's may have refused.
        ran_by = self._sessions['answer'].provider.removesuffix('ExecutionProvider')
        threads = f', threads: {torch.get_num_threads()}' if device.type == 'cpu' else ''
        self.name = f'onnx on {device} ({ran_by}, {weights}{threads})'
        self._state: Values = {}  # of the past, as a frame needs it
        self._behind: Values = {}  # what an answer left for ``prepare``

    def answer(self, frame: NDArray[np.uint8]) -> Step:
        """As of ``Backend``."""
        shown = np.ascontiguousarray(frame[None])
        if not self._state:
            self._state = _next(self._run('begin', {'frame': shown}))
        found = self._behind = self._run('answer', self._state | {'frame': shown})
        self._products = found['products']
        attention = _array(found['attention']).reshape(ROWS, COLUMNS)
        return Step(float(_array(found['curvature'])[0, 0]), attention)

    def prepare(self) -> None:
        """As of ``Backend``."""
        if self._behind:
            prepared = self._run('prepare', self._state | self._behind)
            self._state, self._behind = _next(self._behind | prepared), {}

    def reset(self) -> None:
        """As of ``Backend``."""
        self._state, self._behind = {}, {}

    def products(self) -> NDArray[np.float32]:
        """As of ``Backend``."""
        turned = _array(self._products).reshape(-1, CELLS)
        return np.ascontiguousarray(turned.T)

    def _run(self, name: str, given: Values) -> Values:
        return self._sessions[name].run(given)


class _Session:
    """A model; what it gives stays where it runs, until it is asked for."""

    def __init__(self, model: bytes, providers: list[str], device: torch.device) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = _ERRORS_ONLY
        # Threads that spin are quick within a run; behind it they would take the next model's
        # cores, and the vehicle's other programs'.
        options.add_session_config_entry('session.force_spinning_stop', '1')
        self._session = onnxruntime.InferenceSession(model, options, providers=providers)
        self.provider: str = self._session.get_providers()[0]
        self._place = device.type, device.index or 0
        self._inputs = [given.name for given in self._session.get_inputs()]
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, given: Values) -> Values:
        """What it gives for those of the given that it takes."""
        inputs = {name: given[name] for name in self._inputs}
        if self._place[0] == 'cpu':  # binding takes longer than it spares there
            found = self._session.run(self._outputs, inputs)
        else:
            found = self._bound(inputs)
        return dict(zip(self._outputs, found, strict=True))

    def _bound(self, inputs: Values) -> Iterable[Any]:
        binding = self._session.io_binding()
        for name, value in inputs.items():
            if isinstance(value, np.ndarray):
                binding.bind_cpu_input(name, value)
            else:
                binding.bind_ortvalue_input(name, value)
        for name in self._outputs:
            binding.bind_output(name, *self._place)
        self._session.run_with_iobinding(binding)
        found: Iterable[Any] = binding.get_outputs()
        return found


def _next(found: Values) -> Values:
    """The state among what models gave."""
    return {
        name.removeprefix('next_'): value
        for name, value in found.items()
        if name.startswith('next_')
    }


def _array(value: Any) -> NDArray[np.float32]:
    return np.asarray(value if isinstance(value, np.ndarray) else value.numpy())


def providers_on(device: torch.device) -> list[str]:
    """What ONNX Runtime has for a device.

    Args:
        device: A CPU or GPU.

    Returns:
        Names of execution providers, the best first.
    """
    wanted = _ON_GPU if device.type == 'cuda' else _ON_CPU
    there = onnxruntime.get_available_providers()
    return [name for name in wanted if name in there]
