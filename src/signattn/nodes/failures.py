"""Errors of the device that runs the network. Knows nothing of ROS."""

import gc

import torch

OUT_OF_MEMORY = (torch.cuda.OutOfMemoryError, MemoryError)
"""The node gives everything back and can be configured again."""


def is_device_lost(error: BaseException) -> bool:
    """Whether CUDA failed in a way that no later call of this process recovers from.

    Args:
        error: What was raised.

    Returns:
        True for any error of CUDA and its libraries but a lack of memory.
    """
    if isinstance(error, OUT_OF_MEMORY) or not isinstance(error, RuntimeError):
        return False
    text = str(error).lower()
    return any(name in text for name in ('cuda', 'cudnn', 'cublas', 'device-side'))


def give_back_memory() -> None:
    """Give what nobody holds any more back to the device, for other processes to take."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
