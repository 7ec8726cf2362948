"""Frame in, curvature and attention out, state kept: what the vehicle runs."""

from signattn.stream.backend import BACKENDS, WEIGHTS, Backend, BackendName, Step, Weights
from signattn.stream.device import find_device
from signattn.stream.engine import Engine

__all__ = [
    'BACKENDS',
    'WEIGHTS',
    'Backend',
    'BackendName',
    'Engine',
    'Step',
    'Weights',
    'find_device',
]
