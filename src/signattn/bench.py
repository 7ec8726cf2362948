"""How quick this machine is: each back end, beside the plain step and what reading allows."""

import os
import platform
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from signattn.model import Network, NetworkConfig, State, load
from signattn.preprocess import HEIGHT, WIDTH, scale
from signattn.stream import Backend, Step, Weights, find_device
from signattn.stream.choose import choose_backend, is_installed

_READ_BYTES = 1 << 28
_READS = 5
_WARM_UP = 5  # steps


@dataclass(frozen=True)
class BenchConfig:
    """What is measured, and for how long.

    Attributes:
        backend: ``torch``, ``onnx``, or ``all`` that are installed.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        threads: Threads of a CPU; one for each core if 0.
        steps: Timed steps of each back end in a round.
        rounds: The back ends take turns, so that a busy machine slows all alike.
    """

    backend: Literal['all', 'torch', 'onnx'] = 'all'
    device: str = 'auto'
    threads: int = 0
    steps: int = 100
    rounds: int = 3

    def __post_init__(self) -> None:
        """Refuse what can't be measured."""
        if self.backend not in ('all', 'torch', 'onnx'):
            raise ValueError(f'backend must be all, torch or onnx, got {self.backend!r}')
        for name, least in (('threads', 0), ('steps', 1), ('rounds', 1)):
            value = getattr(self, name)
            if value < least:
                raise ValueError(f'{name} must be at least {least}, got {value}')


@dataclass
class Route:
    """A way to answer, and how long its steps took.

    Attributes:
        name: Which.
        backend: What runs.
        weights_bytes: Read in each step.
        answer_ms: From a frame to curvature and attention, in each timed step.
        step_ms: Preparation included, likewise.
        times_floor: Median step over the time in which the weights can be read, in each round.
    """

    name: str
    backend: 'Backend | PlainStep'
    weights_bytes: int
    answer_ms: list[float] = field(default_factory=list)
    step_ms: list[float] = field(default_factory=list)
    times_floor: list[float] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        """Its line of the table."""
        step = statistics.median(self.step_ms)
        floor = statistics.median(self.times_floor)
        return {
            'backend': self.name,
            'answer_ms_p50': statistics.median(self.answer_ms),
            'answer_ms_p99': float(np.quantile(self.answer_ms, 0.99)),
            'step_ms_p50': step,
            'step_ms_p99': float(np.quantile(self.step_ms, 0.99)),
            'frames_per_s': 1000 / step,
            'weights_mb': self.weights_bytes / 1e6,
            'times_floor': floor,
            'bandwidth_share': 1 / floor,
        }


class PlainStep:
    """The network as it is trained: the whole step before the answer."""

    def __init__(self, network: Network, device: torch.device) -> None:
        """Take a network.

        Args:
            network: The network; it's used, not copied.
            device: Where it runs.
        """
        self.name = f'plain torch on {device}'
        self._network = network.to(device)
        self._device = device
        self._state: State | None = None

    @torch.inference_mode()
    def answer(self, frame: NDArray[np.uint8]) -> Step:
        """As of ``Backend``."""
        frames = torch.from_numpy(scale(frame[None, None])).to(self._device)
        output = self._network(frames, self._state)
        self._state = output.state
        return Step(float(output.curvature), output.attention[0, 0].cpu().numpy())

    def prepare(self) -> None:
        """Nothing is left to do."""

    def reset(self) -> None:
        """As of ``Backend``."""
        self._state = None


def bench(
    model: Path | None, config: BenchConfig | None = None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Time each back end on this machine.

    Args:
        model: A checkpoint's folder; a network of the paper's size with random weights if not
            given.
        config: What is measured.

    Returns:
        The machine: its threads, and how fast it reads memory.
        A row for each back end, units in the keys. ``answer_ms``: from the network's input, uint8,
        to curvature and attention. ``times_floor``: the step over the time in which its weights
        can be read.
    """
    config = config or BenchConfig()
    device, threads = find_device(config.device), torch.get_num_threads()
    torch.set_num_threads(config.threads or os.cpu_count() or 1)
    try:
        routes = _routes(model, config, device)
        rates = run_rounds(routes, device, config.steps, config.rounds)
        machine = {
            'device': torch.cuda.get_device_name(device) if device.type == 'cuda' else _cpu_name(),
            'threads': torch.get_num_threads(),
            'read_gb_per_s': statistics.median(rates) / 1e9,
        }
    finally:
        torch.set_num_threads(threads)
    return machine, [route.row() for route in routes]


def _network(model: Path | None) -> Network:
    if model is not None:
        return load(model).network
    torch.manual_seed(0)
    return Network(NetworkConfig()).eval()


def _routes(model: Path | None, config: BenchConfig, device: torch.device) -> list[Route]:
    plain = _network(model)
    routes = [Route('plain', PlainStep(plain, device), weights_bytes(plain, 'fp32'))]
    wanted: list[tuple[Literal['torch', 'onnx'], Weights]] = []
    if config.backend in ('all', 'torch'):
        wanted.append(('torch', 'fp32'))
    if config.backend == 'onnx' or (config.backend == 'all' and is_installed(device)):
        wanted.append(('onnx', 'fp32'))
        wanted += [('onnx', 'int8')] if device.type == 'cpu' else []
    for name, weights in wanted:
        network = _network(model)  # each back end takes its own for itself
        backend = choose_backend(network, name, device, weights)
        routes.append(Route(backend.name, backend, weights_bytes(plain, weights)))
    return routes


def weights_bytes(network: Network, weights: Weights) -> int:
    """How much is read of the weights in a step.

    Args:
        network: The network.
        weights: ``int8``: those of LSTM, gate and W_δ are bytes.

    Returns:
        Bytes; what only the first frame needs doesn't count.
    """
    each = {'fp32': 4, 'int8': 1}[weights]
    small = ('lstm.weight', 'gate.weight', 'attention.from_state')
    return sum(
        parameter.numel() * (each if name.startswith(small) else 4)
        for name, parameter in network.named_parameters()
        if not name.startswith('initial_')
    )


def run_rounds(routes: list[Route], device: torch.device, steps: int, rounds: int) -> list[float]:
    """Time routes in turn.

    Args:
        routes: Get their times.
        device: Where they run.
        steps: Of each route in each round.
        rounds: How many.

    Returns:
        Bytes per second that the device read in each round.
    """
    rng, rates = np.random.default_rng(0), list[float]()
    frames = rng.integers(0, 180, (16, HEIGHT, WIDTH, 3), np.uint8)
    for _ in range(rounds):
        rates.append(read_rate(device))
        for route in routes:
            before = len(route.step_ms)
            _run(route, frames, steps)
            step_s = statistics.median(route.step_ms[before:]) / 1000
            route.times_floor.append(step_s * rates[-1] / route.weights_bytes)
    return rates


def _run(route: Route, frames: NDArray[np.uint8], steps: int) -> None:
    backend = route.backend
    backend.reset()
    for step in range(_WARM_UP + steps):
        began = time.perf_counter()
        backend.answer(frames[step % len(frames)])
        answered = time.perf_counter()
        backend.prepare()
        _wait_for_gpu()
        ended = time.perf_counter()
        if step >= _WARM_UP:
            route.answer_ms.append(1000 * (answered - began))
            route.step_ms.append(1000 * (ended - began))


def read_rate(device: torch.device) -> float:
    """How fast memory is read: by a sum over far more than the caches hold.

    Args:
        device: Whose memory.

    Returns:
        Bytes per second, median of a few sums, with all threads of torch.
    """
    memory = torch.ones(_READ_BYTES // 4, device=device)
    took = []
    for _ in range(_READS + 1):
        _wait_for_gpu()
        began = time.perf_counter()
        float(memory.sum())
        took.append(time.perf_counter() - began)
    return _READ_BYTES / statistics.median(took[1:])


def _wait_for_gpu() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _cpu_name() -> str:
    """As Linux has it."""
    path = Path('/proc/cpuinfo')
    lines = path.read_text(encoding='utf-8').splitlines() if path.is_file() else []
    names = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return names[0] if names else platform.machine()
