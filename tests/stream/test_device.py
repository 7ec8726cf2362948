"""Names of devices."""

import re

import pytest
import torch

from signattn.stream import find_device


@pytest.mark.parametrize('name', ['gpu', '', 'mps', 'cuda:x', 'cuda:-1'])
def test_a_device_of_no_kind_is_refused(name):
    text = f'device must be auto, cpu, cuda or cuda:N, got {name!r}'
    with pytest.raises(ValueError, match=f'^{re.escape(text)}$'):
        find_device(name)


@pytest.mark.parametrize(
    ('count', 'name'), [(0, 'cuda'), (0, 'cuda:0'), (1, 'cuda:1'), (2, 'cuda:2')]
)
def test_a_device_that_is_not_there_is_refused(monkeypatch, count, name):
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: count)
    text = f'device must exist, got {name!r} with {count} CUDA devices here'
    with pytest.raises(ValueError, match=f'^{re.escape(text)}$'):
        find_device(name)


@pytest.mark.parametrize(
    ('count', 'name'), [(1, 'cuda'), (1, 'cuda:0'), (2, 'cuda:1'), (0, 'cpu')]
)
def test_a_device_that_is_there_is_found(monkeypatch, count, name):
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: count)
    assert find_device(name) == torch.device(name)


@pytest.mark.parametrize(('available', 'kind'), [(True, 'cuda'), (False, 'cpu')])
def test_auto_takes_a_gpu_where_there_is_one(monkeypatch, available, kind):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: available)
    assert find_device('auto').type == kind
