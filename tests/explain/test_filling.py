import numpy as np
import pytest
import torch

from signattn.explain.filling import filled
from signattn.preprocess import scale


def test_black_and_the_mean_of_rgb():
    """Half red, half green: the mean is a dark yellow; the mean hue would be one, too bright."""
    picture = np.zeros((1, 80, 160, 3), np.uint8)
    picture[..., 1:] = 255
    picture[:, :, 80:, 0] = 60
    pictures = torch.from_numpy(scale(picture))
    assert not filled(pictures, 'black').any()
    mean = filled(pictures, 'mean')
    assert mean.shape == pictures.shape
    expected = torch.tensor([30 / 179, 1.0, 128 / 255])[:, None, None].expand(1, 3, 80, 160)
    torch.testing.assert_close(mean, expected, rtol=0, atol=0.01)


def test_each_picture_has_its_own():
    levels = np.zeros((2, 80, 160, 3), np.uint8)
    levels[1, ..., 2] = 200
    mean = filled(torch.from_numpy(scale(levels)), 'mean')
    assert mean.amax((1, 2, 3)).tolist() == pytest.approx([0.0, 200 / 255])


def test_an_unknown_filling_is_refused():
    with pytest.raises(ValueError, match=r"kind must be one of black, mean.*, got 'grey'"):
        filled(torch.zeros(1, 3, 80, 160), 'grey')
