"""The sign-only quantized attention LSTM (Tashiro and Awano, IEEE Access 2023)."""

from signattn.model.checkpoint import Checkpoint, CheckpointError, load, save
from signattn.model.network import PRESETS, Network, NetworkConfig, Output
from signattn.model.recurrence import State

__all__ = [
    'PRESETS',
    'Checkpoint',
    'CheckpointError',
    'Network',
    'NetworkConfig',
    'Output',
    'State',
    'load',
    'save',
]
