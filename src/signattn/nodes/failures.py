"""Errors of the device that runs the network. Knows nothing of ROS."""

import gc

import torch


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a GPU had no memory left, which more of it would mend.

    Args:
        error: What was raised.

    Returns:
        True also where a library of CUDA says it in its own words.
    """
    return isinstance(error, torch.cuda.OutOfMemoryError) or 'STATUS_ALLOC_FAILED' in str(error)


def is_device_lost(error: BaseException) -> bool:
    """Whether CUDA failed in a way that no later call of this process recovers from.

    Args:
        error: What was raised.

    Returns:
        True for any error of CUDA and its libraries but a lack of memory.
    """
    if is_out_of_memory(error) or not isinstance(error, RuntimeError):
        return False
    text = str(error).lower()
    return any(name in text for name in ('cuda', 'cudnn', 'cublas', 'device-side'))


def give_back_memory() -> None:
    """Give what nobody holds any more back to the device, for other processes to take."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
