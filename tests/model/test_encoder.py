"""Sizes of Table 1, and the one pixel that each cell sees when each kernel is a single weight."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from signattn.model.encoder import CELLS, CHANNELS, COLUMNS, ROWS, Encoder

TABLE_1 = [(24, 40, 80), (36, 20, 40), (48, 10, 20), (64, 10, 20), (64, 10, 20)]
VALUE = 2  # the channel of V


def stages(encoder):
    """Convolutions and what follows each up to the next."""
    kinds = [type(layer).__name__ for layer in encoder.layers]
    return ' '.join(kinds).replace('BatchNorm2d', 'norm').replace('ReLU', 'relu').split('Conv2d')


def single_weights(fourth=1.0, fifth=1.0):
    """Every kernel passes the middle pixel of one channel: V, then the first of each layer."""
    encoder = Encoder(3, 'none').requires_grad_(requires_grad=False)
    for parameter in encoder.parameters():
        parameter.zero_()
    convolutions = [layer for layer in encoder.layers if isinstance(layer, nn.Conv2d)]
    sources, weights = (VALUE, 0, 0, 0, 0), (1, 1, 1, fourth, fifth)
    for layer, source, weight in zip(convolutions, sources, weights, strict=True):
        middle = layer.kernel_size[0] // 2
        layer.weight[0, source, middle, middle] = weight
    return encoder


@pytest.mark.parametrize('kernel', [3, 5])
@pytest.mark.parametrize('norm', ['none', 'batch'])
def test_sizes_of_table_1(kernel, norm):
    sizes = []
    encoder = Encoder(kernel, norm)
    for layer in encoder.layers:
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda *args: sizes.append(tuple(args[-1].shape[1:])))
    assert encoder(torch.zeros(2, 3, 80, 160)).shape == (2, CELLS, CHANNELS)
    assert sizes == TABLE_1


@pytest.mark.parametrize(('kernel', 'kernels'), [(3, [5, 3, 3, 3, 3]), (5, [5, 5, 3, 3, 3])])
def test_kernels(kernel, kernels):
    layers = Encoder(kernel, 'none').layers
    assert [layer.kernel_size[0] for layer in layers if isinstance(layer, nn.Conv2d)] == kernels


def test_relu_behind_the_first_four_only():
    assert stages(Encoder(3, 'none')) == ['', *[' relu '] * 4, '']
    assert stages(Encoder(3, 'batch')) == ['', *[' norm relu '] * 4, ' norm']


def test_cells_come_row_by_row_eight_pixels_apart():
    frames = torch.rand(1, 3, 80, 160)
    features = single_weights()(frames)
    assert_close(features[0, :, 0], frames[0, VALUE, ::8, ::8].flatten())
    assert features[0, 3 * COLUMNS + 7, 0] == frames[0, VALUE, 24, 56]
    assert not features[..., 1:].any()
    assert CELLS == ROWS * COLUMNS == 200


def test_the_sign_of_the_last_layer_is_free():
    frames = torch.rand(1, 3, 80, 160)
    assert_close(single_weights(fifth=-2.0)(frames), -2 * single_weights()(frames))
    assert not single_weights(fourth=-1.0)(frames).any()


@pytest.mark.parametrize('norm', ['none', 'batch'])
def test_the_input_is_not_modified(norm):
    frames = torch.rand(2, 3, 80, 160)
    before = frames.clone()
    Encoder(3, norm)(frames)
    assert torch.equal(frames, before)
