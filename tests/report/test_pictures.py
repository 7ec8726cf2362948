"""Pictures with a map over them, and without what it marks."""

import numpy as np
import pytest

from signattn.deletion import DeletionConfig
from signattn.report.pictures import heated, masked, picture

GREY = np.full((80, 160, 3), (0, 0, 100), np.uint8)


def test_a_picture_is_rgb_and_twice_as_large():
    red = np.full((80, 160, 3), (0, 255, 200), np.uint8)
    assert picture(red).shape == (160, 320, 3)
    assert picture(red)[0, 0].tolist() == [200, 0, 0]


def test_an_even_map_leaves_the_picture():
    for even in (0.0, 1.0):
        assert (heated(GREY, np.full((80, 160), even), 4.0) == 100).all()


@pytest.mark.parametrize('size', [1.0, 1e-200])
def test_heat_lies_where_the_map_does_however_small_its_numbers(size):
    saliency = np.zeros((80, 160))
    saliency[:, :80] = size
    heat = heated(GREY, saliency, 4.0)
    assert (heat[:, 280:] == 100).all()
    assert heat[80, 40, 0] > heat[80, 40, 2] + 20  # red


def test_what_is_masked_is_what_is_most_salient():
    saliency = np.zeros((80, 160))
    saliency[:, :80] = 1
    config = DeletionConfig(filling='black', blur_px=0.0)
    half = masked(GREY, GREY, saliency, 50, config)
    assert (half[:, :156] == 0).all()
    assert (half[:, 164:] == 100).all()
    assert (masked(GREY, GREY, saliency, 0, config) == 100).all()
    donor = DeletionConfig(filling='donor', blur_px=0.0)
    half = masked(GREY, np.full_like(GREY, (0, 0, 200)), saliency, 50, donor)
    assert (half[:, :156] == 200).all()
    assert (half[:, 164:] == 100).all()
    assert (GREY[..., 2] == 100).all()
