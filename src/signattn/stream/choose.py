"""Which back end runs a network."""

import torch

from signattn.model import Network
from signattn.stream.backend import BACKENDS, Backend, BackendName
from signattn.stream.eager import EagerBackend


def choose_backend(network: Network, name: BackendName, device: torch.device) -> Backend:
    """A back end for a network.

    Args:
        network: The network, which belongs to the back end from now on.
        name: ``torch``; ``auto`` for the one that suits this machine.
        device: Where it runs.

    Returns:
        The back end, before the first frame.

    Raises:
        ValueError: If there is no back end of the name.
    """
    if name not in BACKENDS:
        raise ValueError(f'backend must be one of {BACKENDS}, got {name!r}')
    return EagerBackend(network, device)
