"""One process or several under torchrun, each with a device."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

from signattn.stream import find_device


@dataclass(frozen=True)
class Place:
    """Which of the processes this is.

    Attributes:
        device: Where its network runs.
        rank: Its number, from 0.
        world: Number of processes.
    """

    device: torch.device
    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and reports."""
        return self.rank == 0

    def total(self, *values: float) -> list[float]:
        """Sums over all processes.

        Args:
            values: This process' own.

        Returns:
            The sums, the same in each process.
        """
        if self.world == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.all_reduce(sums)
        return [float(value) for value in sums]

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            distributed.barrier()


@contextmanager
def taken_place(device: str) -> Iterator[Place]:
    """Join the other processes that torchrun started, if it did.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; under torchrun the N is the process'.

    Yields:
        This process' place.

    Raises:
        ValueError: If there is no such device.
    """
    found = find_device(device)
    world = int(os.environ.get('WORLD_SIZE', '1'))
    if world == 1:
        yield Place(found)
        return
    if found.type == 'cuda':
        found = torch.device('cuda', int(os.environ['LOCAL_RANK']))
        torch.cuda.set_device(found)
    distributed.init_process_group('nccl' if found.type == 'cuda' else 'gloo')
    try:
        yield Place(found, distributed.get_rank(), world)
    finally:
        distributed.destroy_process_group()


_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # of glibc's malloc.h


def keep_memory() -> bool:
    """Keep memory that was freed, for the rest of the process, instead of giving it back.

    Every step of a training frees tens of MB and asks for the same again. glibc maps pieces of
    that size anew each time, and the system fills each page with zeros first: on a CPU that was a
    quarter of the time.

    Returns:
        Whether the C library has such a setting.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl; macOS; Windows
        return False
    most = 2**31 - 1
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, most), (_TOP_PAD, 2**28))
    return all(mallopt(name, value) for name, value in settings)


def average_gradients(network: nn.Module, place: Place) -> None:
    """What DistributedDataParallel does, for a loss that isn't one pass through the network.

    Args:
        network: With gradients; changed.
        place: Which process it is.
    """
    if place.world == 1:
        return
    for parameter in network.parameters():
        if parameter.grad is not None:
            distributed.all_reduce(parameter.grad)
            parameter.grad /= place.world


def share_of_loss(summed: Tensor, known: Tensor, place: Place) -> Tensor:
    """A process' part of a mean over all processes.

    DistributedDataParallel averages the gradients of the processes; with this loss the average is
    the gradient of the mean over the labelled frames of all.

    Args:
        summed: () sum of the loss over this process' labelled frames.
        known: () how many they are.
        place: Which process it is.

    Returns:
        () the loss to go back from.
    """
    if place.world == 1:
        return summed / known.clamp(min=1)
    everywhere = known.detach().clone().to(torch.float64)
    distributed.all_reduce(everywhere)
    return summed * place.world / everywhere.clamp(min=1).to(summed.dtype)
