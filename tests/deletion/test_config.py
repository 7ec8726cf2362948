"""What can't be measured is refused."""

import numpy as np
import pytest

from signattn.deletion import DeletionConfig


def test_the_headline_is_a_quarter_in_steps_of_one_percent():
    config = DeletionConfig()
    assert config.levels == tuple(range(26))
    assert config.rows() == config.levels
    # 1 % of 80 × 160 pixels is 128.
    assert config.counts().tolist() == list(range(0, 3201, 128))
    assert (config.blur_px, config.skip_s) == (4.0, 2.0)


def test_cells_are_counted_of_200():
    config = DeletionConfig(levels=(0, 5, 25, 100), space='cells')
    assert config.counts().tolist() == [0, 10, 50, 200]


@pytest.mark.parametrize(
    ('mode', 'rows'), [('deletion', (0, 10, 20)), ('insertion', (10, 20, 100))]
)
def test_the_whole_picture_is_always_among_the_rows(mode, rows):
    config = DeletionConfig(levels=(10, 20), mode=mode)
    assert config.rows() == rows
    assert config.counts().tolist() == np.multiply(rows, 128).tolist()


@pytest.mark.parametrize(
    ('name', 'value', 'expected'),
    [
        (
            'filling',
            'noise',
            r"must be one of \('black', 'mean', 'blurred', 'donor'\), got 'noise'",
        ),
        ('regime', 'live', r"must be one of \('frame', 'stream'\), got 'live'"),
        ('mode', 'both', r"must be one of \('deletion', 'insertion'\), got 'both'"),
        ('space', 'rows', r"must be one of \('pixels', 'cells'\), got 'rows'"),
        ('levels', (5,), r'must be two or more rising in 0..100, got \(5,\)'),
        ('levels', (0, 5, 5), r'must be two or more rising in 0..100, got \(0, 5, 5\)'),
        ('levels', (0, 101), r'must be two or more rising in 0..100, got \(0, 101\)'),
        ('levels', (-1, 5), r'must be two or more rising in 0..100, got \(-1, 5\)'),
        ('blur_px', -1.0, r'must be at least 0, got -1.0'),
        ('skip_s', float('nan'), r'must be at least 0, got nan'),
        ('seed', -1, r'must be at least 0, got -1'),
        ('filling_blur_px', 0.0, r'must be above 0, got 0.0'),
        ('chunk', 0, r'must be above 0, got 0'),
    ],
)
def test_wrong_values_are_refused(name, value, expected):
    with pytest.raises(ValueError, match=f'^{name} {expected}$'):
        DeletionConfig(**{name: value})
