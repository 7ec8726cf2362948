"""Held to the encoder, which sees the pictures whole."""

import pytest
import torch

from signattn.deletion.one_cell import OneCell


@pytest.fixture
def shown():
    """A picture and what its cells are replaced by, (3, 80, 160) each."""
    return torch.rand(2, 3, 80, 160, generator=torch.Generator().manual_seed(1)).unbind()


def whole_pictures(picture, filling, cells):
    pictures = picture.repeat(len(cells), 1, 1, 1)
    for each, cell in zip(pictures, cells.tolist(), strict=True):
        top, left = 8 * (cell // 20), 8 * (cell % 20)
        square = (slice(None), slice(top, top + 8), slice(left, left + 8))
        each[square] = filling[square]
    return pictures


@pytest.mark.parametrize('norm', ['none', 'batch'])
@pytest.mark.parametrize('kernel', [3, 5])
def test_as_of_whole_pictures(random_network, shown, norm, kernel):
    """Every cell: those at the edges reach beyond it, where all layers see zeros."""
    encoder = random_network(encoder_norm=norm, conv2_kernel=kernel).encoder
    cells = torch.arange(200)
    expected = encoder(whole_pictures(*shown, cells))
    found = OneCell(encoder)(*shown, cells)
    scale = expected.abs().max()
    torch.testing.assert_close(found / scale, expected / scale, rtol=0, atol=5e-6)
    unchanged = encoder(shown[0][None])
    reach = ((expected - unchanged).abs().amax(2) > 1e-3 * scale).sum(1)
    assert reach.max() >= 9  # what is compared does change, beyond the cell itself


def test_some_cells_in_any_order(random_network, shown):
    encoder = random_network(encoder_norm='batch').encoder
    cells = torch.tensor([199, 0, 87, 0])
    expected = encoder(whole_pictures(*shown, cells))
    before = [each.clone() for each in shown]
    found = OneCell(encoder)(*shown, cells)
    torch.testing.assert_close(found, expected, rtol=0, atol=5e-6 * float(expected.abs().max()))
    assert all(map(torch.equal, before, shown))
