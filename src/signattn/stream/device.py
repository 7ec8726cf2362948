"""Where a network runs."""

import torch


def find_device(device: str) -> torch.device:
    """The device of a name.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Returns:
        The device.

    Raises:
        ValueError: If it's no such name, or there is no such device here.
    """
    if device == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f'device must be auto, cpu, cuda or cuda:N, got {device!r}') from error
    if found.type not in ('cpu', 'cuda'):
        raise ValueError(f'device must be auto, cpu, cuda or cuda:N, got {device!r}')
    available = torch.cuda.device_count()
    if found.type == 'cuda' and (found.index or 0) >= available:
        raise ValueError(f'device must exist, got {device!r} with {available} CUDA devices here')
    return found
