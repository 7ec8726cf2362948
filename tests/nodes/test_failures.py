"""Which errors a process survives."""

import pytest
import torch

from signattn.nodes import failures
from signattn.nodes.failures import give_back_memory, is_device_lost, is_out_of_memory

NO_MEMORY = 'CUDA out of memory. Tried to allocate 2.00 GiB.'


@pytest.mark.parametrize(
    ('error', 'lost'),
    [
        (RuntimeError('CUDA error: an illegal memory access was encountered'), True),
        (RuntimeError('cuDNN error: CUDNN_STATUS_EXECUTION_FAILED'), True),
        (RuntimeError('CUBLAS_STATUS_NOT_INITIALIZED'), True),
        (RuntimeError('device-side assert triggered'), True),
        (torch.cuda.OutOfMemoryError(NO_MEMORY), False),
        (RuntimeError('CUDA error: CUBLAS_STATUS_ALLOC_FAILED'), False),
        (MemoryError(), False),
        (RuntimeError('shapes do not fit'), False),
        (ValueError("device must exist, got 'cuda:1' with 0 CUDA devices here"), False),
    ],
)
def test_what_is_lost(error, lost):
    assert is_device_lost(error) == lost


@pytest.mark.parametrize(
    ('error', 'lacking'),
    [
        (torch.cuda.OutOfMemoryError(NO_MEMORY), True),
        (RuntimeError('CUDA error: CUBLAS_STATUS_ALLOC_FAILED'), True),
        (RuntimeError('cuDNN error: CUDNN_STATUS_EXECUTION_FAILED'), False),
        (MemoryError(), False),  # of the host: an image that claims to be large may do that
    ],
)
def test_what_is_a_lack_of_memory(error, lacking):
    assert is_out_of_memory(error) == lacking


@pytest.mark.parametrize('used', [False, True])
def test_memory_of_a_gpu_is_given_back_where_one_is_used(monkeypatch, used):
    given_back = []
    monkeypatch.setattr(torch.cuda, 'is_initialized', lambda: used)
    monkeypatch.setattr(failures.torch.cuda, 'empty_cache', lambda: given_back.append(1))
    give_back_memory()
    assert len(given_back) == used
