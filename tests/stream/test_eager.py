"""The back end of torch against the network."""

import numpy as np
import pytest
import torch

from signattn.preprocess import scale
from signattn.stream import eager
from signattn.stream.eager import EagerBackend


def refuse(*_):
    raise RuntimeError('not on this machine')


@pytest.mark.parametrize('lacks', ['nothing', 'convolutions', 'oneDNN'])
@pytest.mark.parametrize('config', [{}, {'head': 'kim'}, {'encoder_norm': 'batch'}], ids=str)
def test_it_says_what_the_network_says(
    monkeypatch, config, lacks, make_frames, make_network, stream
):
    if lacks == 'convolutions':
        monkeypatch.setattr(eager, 'PackedEncoder', refuse)
    if lacks == 'oneDNN':
        monkeypatch.setattr(torch.backends.mkldnn, 'is_available', lambda: False)
    pictures, whole = make_frames(5), make_network(**config)
    with torch.no_grad():
        want = whole(torch.from_numpy(scale(pictures[None])))
    curvature, attention = stream(EagerBackend(whole, torch.device('cpu')), pictures)
    np.testing.assert_allclose(curvature, want.curvature[0].numpy(), rtol=0, atol=1e-5)
    np.testing.assert_allclose(attention, want.attention[0].numpy(), rtol=0, atol=1e-5)
    assert np.std(curvature) > 1e-4


def test_answers_stay_as_they_are(make_frames, make_network, stream):
    backend, pictures = EagerBackend(make_network(), torch.device('cpu')), make_frames(3)
    first = backend.answer(pictures[0])
    copy = first.attention.copy()
    backend.prepare()
    stream(backend, pictures[1:])
    np.testing.assert_array_equal(first.attention, copy)


def test_a_frame_of_a_drive_on_disk_is_as_good(make_frames, make_network):
    backend, (picture,) = EagerBackend(make_network(), torch.device('cpu')), make_frames(1)
    want = backend.answer(picture).curvature
    backend.reset()
    picture.flags.writeable = False
    assert backend.answer(picture).curvature == want
    turned = np.asfortranarray(picture)
    backend.reset()
    assert backend.answer(turned).curvature == want


def test_a_reset_between_answer_and_preparation_forgets_both(make_frames, make_network):
    backend, pictures = EagerBackend(make_network(), torch.device('cpu')), make_frames(2)
    want = backend.answer(pictures[1]).curvature
    backend.reset()
    backend.answer(pictures[0])
    backend.reset()
    backend.prepare()
    assert backend.answer(pictures[1]).curvature == want


def test_preparing_twice_is_preparing_once(make_frames, make_network, stream):
    backend, pictures = EagerBackend(make_network(), torch.device('cpu')), make_frames(3)
    want, _ = stream(backend, pictures)
    backend.reset()
    got = []
    for picture in pictures:
        got.append(backend.answer(picture).curvature)
        backend.prepare()
        backend.prepare()
    assert got == want.tolist()


def test_products_are_signs_times_levels(make_frames, make_network):
    backend = EagerBackend(make_network(bits=3), torch.device('cpu'))
    with pytest.raises(RuntimeError, match=r'^products must be asked for behind an answer'):
        backend.products()
    backend.answer(make_frames(1)[0])
    products = backend.products()
    assert products.shape == (200, 32)
    np.testing.assert_allclose(products, products.round(), atol=1e-4)
    assert np.abs(products).max() <= 7
