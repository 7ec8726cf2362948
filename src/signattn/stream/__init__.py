"""Frame in, curvature and attention out, state kept: what the vehicle runs."""

from signattn.stream.backend import BACKENDS, Backend, BackendName, Step
from signattn.stream.device import find_device
from signattn.stream.engine import Engine

__all__ = ['BACKENDS', 'Backend', 'BackendName', 'Engine', 'Step', 'find_device']
