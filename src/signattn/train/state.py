"""The state of a training on disk, from which it continues as if it had never stopped.

Every batch has its own source of randomness, so weights, Adam's moments and the place in the
data are all there is to keep. They are safetensors files: nothing is unpickled.
"""

import dataclasses
import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from signattn.share import write_whole

_log = logging.getLogger(__name__)
_PATTERN = 'state-*.safetensors'


@dataclass
class Position:
    """How far a training is.

    Attributes:
        epoch: The one under way, from 1.
        batch: Next batch of the epoch, from 0.
        step: Optimiser steps so far.
        loss_sum: Sum of the losses of the epoch's steps.
        losses: Steps of the epoch.
        best: Best validation, degrees; None before the first.
        waited: Epochs since then.
        epochs: Rows of the log, one for each epoch that is done.
    """

    epoch: int = 1
    batch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    losses: int = 0
    best: float | None = None
    waited: int = 0
    epochs: list[dict[str, Any]] = field(default_factory=list)


def save_state(folder: Path, position: Position, tensors: Mapping[str, Tensor], keep: int) -> None:
    """Write the state; it appears only when whole, and the oldest ones go.

    Args:
        folder: Where the states of the run lie.
        position: How far the training is.
        tensors: Everything that it needs, by name.
        keep: States that stay.

    Raises:
        OSError: If it can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    data = save_tensors(whole, {'position': json.dumps(dataclasses.asdict(position))})
    checksum = hashlib.sha256(data).hexdigest()[:12]
    write_whole(folder / f'state-{position.step:09d}-{checksum}.safetensors', data)
    for old in sorted(folder.glob(_PATTERN))[:-keep]:
        old.unlink()


def newest_state(folder: Path) -> tuple[Position, dict[str, Tensor]] | None:
    """Read the newest state that is whole; a damaged one is passed over, saying so.

    Args:
        folder: Where the states of the run lie.

    Returns:
        How far the training was, and its tensors on the CPU; None if there is no whole state.
    """
    for path in sorted(folder.glob(_PATTERN), reverse=True):
        state = _read_state(path)
        if state is not None:
            return state
    return None


def _read_state(path: Path) -> tuple[Position, dict[str, Tensor]] | None:
    try:
        data = path.read_bytes()
        with safe_open(path, 'pt') as file:
            position = Position(**json.loads(file.metadata()['position']))
        tensors = load_tensors(data)
    except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
        _log.warning('%s is damaged and passed over: %s', path, error)
        return None
    found = hashlib.sha256(data).hexdigest()[:12]
    if path.stem.rpartition('-')[2] != found:
        _log.warning('%s is damaged and passed over: its checksum is %s', path, found)
        return None
    return position, tensors


def gather(
    network: torch.nn.Module, optimizer: torch.optim.Optimizer, average: torch.nn.Module | None
) -> dict[str, Tensor]:
    """Everything that a training needs to continue, by name.

    Args:
        network: The network.
        optimizer: Of its weights.
        average: The running average of its weights, if there is one.

    Returns:
        Tensors; not copies.
    """
    tensors = {f'network.{name}': tensor for name, tensor in network.state_dict().items()}
    if average is not None:
        tensors |= {f'average.{name}': value for name, value in average.state_dict().items()}
    for index, moments in optimizer.state_dict()['state'].items():
        tensors |= {f'optimizer.{index}.{name}': value for name, value in moments.items()}
    return tensors


def scatter(
    tensors: Mapping[str, Tensor],
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    average: torch.nn.Module | None,
) -> None:
    """Put back what ``gather`` gave.

    Args:
        tensors: As read.
        network: Filled.
        optimizer: Filled.
        average: Filled.
    """
    network.load_state_dict(_below('network.', tensors))
    if average is not None:
        average.load_state_dict(_below('average.', tensors))
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _below('optimizer.', tensors).items():
        index, _, moment = name.partition('.')
        moments.setdefault(int(index), {})[moment] = tensor
    optimizer.load_state_dict(optimizer.state_dict() | {'state': moments})
    # The fused step goes through memory in the order of the weights, which may be channels last.
    for weight, taken in optimizer.state.items():
        for name, moment in taken.items():
            if moment.shape == weight.shape:
                taken[name] = torch.empty_like(weight).copy_(moment)


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
