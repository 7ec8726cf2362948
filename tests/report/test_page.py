"""Numbers and names as they stand on the page."""

from types import SimpleNamespace

import pytest

from signattn.explain import EXPLAINERS
from signattn.report.page import _verdicts, degrees, interval, number
from signattn.report.words import METHODS, is_control, label, setting

LEAD = 'fidelity_above_away_deg_percent'


@pytest.mark.parametrize(
    ('value', 'text'),
    [
        (None, '–'),
        (0.12345, '0.123'),
        (-3.0, '−3'),
        (1234.5, '1234'),
        (8.35, '8.35'),
        (-2e-3, '−0.002'),
    ],
)
def test_numbers(value, text):
    assert number(value) == text


def test_angles_have_a_sign():
    assert (degrees(3.14), degrees(-0.5)) == ('+3.1°', '−0.5°')


def test_intervals():
    line = {'f': 1.0, 'f_low': -2.0, 'f_high': 3.25}
    assert interval(line, 'f') == '1 [−2, 3.25]'
    assert interval({'f': 1.0, 'f_low': None, 'f_high': None}, 'f') == '1'
    assert interval(line, 'g') == '–'


def test_every_method_has_a_name():
    assert EXPLAINERS.keys() <= METHODS.keys()
    assert label('away', 'gradcam') == 'Grad-CAM: its map from 10 s away'
    assert label('rise_away', 'gradcam') == 'RISE: its map from 10 s away'
    controls = ('random', 'centre', 'time_mean', 'away', 'row_mean', 'permuted', 'rise_away')
    assert all(is_control(name) for name in controls)
    assert not any(is_control(name) for name in (*EXPLAINERS, 'greedy'))
    assert setting('stream', 'insertion', 'mean') == (
        'Insertion, the whole stream masked, mean filling'
    )


@pytest.fixture
def verdicts(quick):
    """Gives a function that judges a map that leads by 1 with these lower bounds."""

    def judge(*lows):
        return [*_verdicts(content(quick, lows))]

    return judge


def content(config, lows):
    group = {'regime': 'frame', 'mode': 'deletion', 'filling': 'black', 'method': 'attention'}
    lines = [{**group, LEAD: 1.0, f'{LEAD}_low': low, f'{LEAD}_high': 2.0} for low in lows]
    return SimpleNamespace(config=config, metrics={'explanations': lines})


def test_a_map_must_beat_its_own_from_elsewhere_everywhere(verdicts):
    ((said, good),) = verdicts(0.5, 0.1)
    assert good
    assert 'in 2 of 2 settings' in said
    assert 'It knows something of the frame.' in said
    assert 'F differs by 1 [0.5, 2]' in said
    ((said, good),) = verdicts(0.5, -0.1)
    assert not good
    assert 'in 1 of 2 settings' in said
    assert 'A claim must hold in all of them.' in said
    ((said, good),) = verdicts(0.0, None)
    assert not good
    assert 'Nothing here shows that it explains the frame.' in said
    assert verdicts() == []
