"""Which ranges are refused."""

import math
import re

import pytest

from signattn.augment import AugmentConfig


@pytest.mark.parametrize(
    ('name', 'low', 'high'),
    [
        ('mirror', 0, 1),
        ('max_skip', 1, 10),
        ('gain', 0, 0.9),
        ('gamma', 0, 0.9),
        ('light', 0, 0.9),
        ('grey', 0, 1),
        ('blur', 0, 5),
        ('noise', 0, 255),
        ('jpeg', 0, 1),
        ('yaw_deg', 0, 45),
        ('shift_m', 0, 5),
        ('recovery_m', 1, 1000),
        ('horizontal_fov_deg', 5, 175),
        ('horizon', 0, 1),
        ('camera_height_m', 0.1, 10),
        ('fourier', 0, 1),
        ('fourier_band', 0, 0.2),
        ('mask_training', 0, 1),
        ('mask_share', 0, 1),
    ],
)
def test_ranges_just_inside_and_outside(name, low, high):
    AugmentConfig(**{name: low})
    AugmentConfig(**{name: high})
    for value in (low - 0.01, high + 0.01, math.nan):
        text = f'{name} must be in [{low:g}, {high:g}], got {value}'
        with pytest.raises(ValueError, match=f'^{re.escape(text)}$'):
            AugmentConfig(**{name: value})
