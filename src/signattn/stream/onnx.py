"""The network in ONNX Runtime."""

from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from signattn.model import Network
from signattn.model.encoder import CELLS, COLUMNS, ROWS
from signattn.stream.backend import Step, Weights
from signattn.stream.graphs import StepModels, readout_of, step_models
from signattn.stream.split import SplitStep

_ON_GPU = ('TensorrtExecutionProvider', 'CUDAExecutionProvider')
_ON_CPU = ('CPUExecutionProvider',)
_ERRORS_ONLY = 3


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
        self._kim = network.last is not None
        # With the head of Kim and Canny nothing else weighs the products.
        self._fixed = {'readout': _value(readout_of(SplitStep(network)))} if self._kim else {}
        self._state: dict[str, Any] = {}  # h, c before the frame
        self._prepared: dict[str, Any] = {}
        self._behind: dict[str, Any] = {}  # what an answer left for ``prepare``

    def answer(self, frame: NDArray[np.uint8]) -> Step:
        """As of ``Backend``."""
        shown = _value(frame[None])
        if not self._prepared:
            self._state = self._run('begin', {'frame': shown})
            self._prepare_from_state()
        found = self._run('answer', self._prepared | {'frame': shown})
        self._behind = {'products': found['products']}
        self._products = found['products']
        curvature = float(found['curvature'].numpy()[0, 0])
        if self._kim:
            curvature += self._remember()
        return Step(curvature, found['attention'].numpy().reshape(ROWS, COLUMNS).copy())

    def prepare(self) -> None:
        """As of ``Backend``."""
        if self._behind and not self._kim:
            self._remember()
        if self._behind:
            self._prepare_from_state()

    def reset(self) -> None:
        """As of ``Backend``."""
        self._state, self._prepared, self._behind = {}, {}, {}

    def products(self) -> NDArray[np.float32]:
        """As of ``Backend``."""
        turned = self._products.numpy().reshape(-1, CELLS)
        return np.ascontiguousarray(turned.T)

    def _remember(self) -> float:
        """The state behind the frame; what it adds to the curvature."""
        inputs = self._behind | {'from_h': self._from_h, 'c': self._state['c']}
        found = self._run('remember', inputs)
        self._state = {'h': found['h_behind'], 'c': found['c_behind']}
        return float(found['added'].numpy()[0, 0]) if self._kim else 0.0

    def _prepare_from_state(self) -> None:
        found = self._run('project', {'h': self._state['h']})
        self._from_h = found.pop('from_h')
        self._prepared, self._behind = found | self._fixed, {}

    def _run(self, name: str, inputs: dict[str, Any]) -> dict[str, Any]:
        return self._sessions[name].run(inputs)


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
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, inputs: dict[str, Any]) -> dict[str, Any]:
        binding = self._session.io_binding()
        for name, value in inputs.items():
            binding.bind_ortvalue_input(name, value)
        for name in self._outputs:
            binding.bind_output(name, *self._place)
        self._session.run_with_iobinding(binding)
        return dict(zip(self._outputs, binding.get_outputs(), strict=True))


def _value(array: NDArray[Any]) -> Any:
    return onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array))


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
