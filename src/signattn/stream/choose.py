"""Which back end runs a network."""

import importlib.util
import statistics
import time

import numpy as np
import torch

from signattn.model import Network
from signattn.preprocess import HEIGHT, WIDTH
from signattn.stream.backend import BACKENDS, Backend, BackendName, Weights
from signattn.stream.cuda import CudaBackend
from signattn.stream.eager import EagerBackend

_OPTIONAL = ('onnx', 'onnxruntime')
_WARM_UP, _TIMED = 5, 15  # steps


def choose_backend(
    network: Network, name: BackendName, device: torch.device, weights: Weights = 'fp32'
) -> Backend:
    """A back end for a network.

    Args:
        network: The network, which belongs to the back end from now on.
        name: ``torch``; ``onnx``, if it's installed; ``auto`` for the one that answers soonest
            here and now, as measured, and whose name tells what was measured.
        device: Where it runs.
        weights: ``int8`` rounds those of LSTM and gate; ``onnx`` on a CPU can.

    Returns:
        The back end, before the first frame.

    Raises:
        ValueError: If there is no back end of the name, or it can't run the network so.
    """
    if name not in BACKENDS:
        raise ValueError(f'backend must be one of {BACKENDS}, got {name!r}')
    if name == 'torch' and weights != 'fp32':
        raise ValueError(f'weights must be fp32 with backend torch, got {weights!r}: take onnx')
    if name == 'onnx' or weights != 'fp32':
        return _make_onnx(network, device, weights)
    found: list[Backend] = []
    if name == 'auto' and is_installed(device):
        found.append(_make_onnx(network, device, weights))
    found.append(_make_torch(network, device))
    return found[0] if len(found) == 1 else _soonest(found)


def _make_torch(network: Network, device: torch.device) -> Backend:
    return (CudaBackend if device.type == 'cuda' else EagerBackend)(network, device)


def is_installed(device: torch.device) -> bool:
    """Whether ``onnx`` can be had.

    Args:
        device: Where it would run.

    Returns:
        True if what it needs is installed, for that device.
    """
    if not all(importlib.util.find_spec(package) for package in _OPTIONAL):
        return False
    from signattn.stream.onnx import providers_on  # noqa: PLC0415 (optional)

    return bool(providers_on(device))


def _make_onnx(network: Network, device: torch.device, weights: Weights) -> Backend:
    missing = [package for package in _OPTIONAL if not importlib.util.find_spec(package)]
    if missing:
        raise ValueError(
            f'{" and ".join(missing)} must be installed for backend onnx, found none: pip install '
            "-e '.[onnx]' in signattn's folder, or take backend torch"
        )
    from signattn.stream.onnx import OnnxBackend  # noqa: PLC0415 (optional)

    return OnnxBackend(network, device, weights)


def _soonest(backends: list[Backend]) -> Backend:
    """The back end that answers soonest."""
    took_ms = [1000 * answer_seconds(backend) for backend in backends]
    said = ', '.join(
        f'{backend.name} in {ms:.2f} ms' for backend, ms in zip(backends, took_ms, strict=True)
    )
    best = backends[int(np.argmin(took_ms))]
    best.name += f', which answers soonest: {said}'
    return best


def answer_seconds(backend: Backend) -> float:
    """How long a back end takes from a frame to the answer; it forgets the past.

    Args:
        backend: The back end.

    Returns:
        s, median of a few steps.
    """
    frames = np.random.default_rng(0).integers(0, 180, (4, HEIGHT, WIDTH, 3), np.uint8)
    took = []
    for step in range(_WARM_UP + _TIMED):
        began = time.perf_counter()
        backend.answer(frames[step % len(frames)])
        took.append(time.perf_counter() - began)
        backend.prepare()
    backend.reset()
    return statistics.median(took[_WARM_UP:])
