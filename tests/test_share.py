"""Data files are found, and YAML becomes dataclasses without forgiving a misspelt key."""

import json
import math
import re
import sys
from dataclasses import dataclass, field

import pytest

from signattn import share
from signattn.share import (
    from_mapping,
    read_yaml,
    share_path,
    unknown_key,
    write_metrics,
    write_whole,
)


@dataclass(frozen=True)
class Car:
    """Two fields, one of them with a default."""

    wheels: int
    doors: int = 4
    extras: list[str] = field(default_factory=list)

    def __post_init__(self):
        """Refuse a car that falls over; comparing text with a number is a TypeError."""
        if self.wheels < 3:
            raise ValueError(f'wheels must be at least 3, got {self.wheels}')


@pytest.fixture
def places(tmp_path, monkeypatch):
    """An empty checkout, two ament prefixes and a Python environment."""
    names = ('checkout', 'first', 'second', 'environment')
    checkout, first, second, environment = (tmp_path / name for name in names)
    checkout.mkdir()
    monkeypatch.setattr(share, '__file__', str(checkout / 'src/signattn/share.py'))
    monkeypatch.setenv('AMENT_PREFIX_PATH', f'{first}:{second}')
    monkeypatch.setattr(sys, 'prefix', str(environment))
    (checkout / 'package.xml').touch()
    installed = [prefix / 'share/signattn' for prefix in (first, second, environment)]
    return [checkout, *installed]


def test_a_checkout_comes_first_then_the_ament_index_then_the_environment(places):
    for place in reversed(places):
        (place / 'models/here').mkdir(parents=True)
        assert share_path('models/here') == place / 'models/here'


def test_without_package_xml_it_is_no_checkout(places):
    for place in places:
        (place / 'models/here').mkdir(parents=True)
    (places[0] / 'package.xml').unlink()
    assert share_path('models/here') == places[1] / 'models/here'


def test_ament_is_not_needed(places, monkeypatch):
    monkeypatch.delenv('AMENT_PREFIX_PATH')
    (places[-1] / 'models/here').mkdir(parents=True)
    assert share_path('models/here') == places[-1] / 'models/here'


def test_a_missing_file_names_every_place_that_was_tried(places):
    tried = ', '.join(str(place / 'models/none') for place in places)
    text = f'models/none must be installed with signattn, not found at: {tried}'
    with pytest.raises(FileNotFoundError, match=f'^{re.escape(text)}$'):
        share_path('models/none')


def test_a_mapping_is_read(tmp_path):
    path = tmp_path / 'car.yaml'
    path.write_text('wheels: 4\nname: Käfer\n', encoding='utf-8')
    assert read_yaml(path) == {'wheels': 4, 'name': 'Käfer'}


@pytest.mark.parametrize(
    ('data', 'text'),
    [
        (b'a: [1,', 'must be a YAML file, got: '),
        (b'\xff\xfe\xff', 'must be a YAML file, got: '),
        (b'- 1\n- 2\n', 'must hold a mapping, got list'),
        (b'', 'must hold a mapping, got NoneType'),
    ],
)
def test_what_is_no_mapping_is_refused(tmp_path, data, text):
    path = tmp_path / 'car.yaml'
    path.write_bytes(data)
    with pytest.raises(ValueError, match=re.escape(f'{path} {text}')):
        read_yaml(path)


def test_a_mapping_fills_a_dataclass_and_its_defaults():
    assert from_mapping(Car, {'wheels': 3}, 'car') == Car(3, 4, [])
    assert from_mapping(Car, {'wheels': 4, 'doors': 2}, 'car') == Car(4, 2)


@pytest.mark.parametrize(
    ('mapping', 'text'),
    [
        (
            {'wheels': 4, 'dors': 2},
            (
                "car: key must be one of ['doors', 'extras', 'wheels'], got 'dors'; "
                "did you mean 'doors'?"
            ),
        ),
        ({'doors': 2}, "car: key 'wheels' must be given, got ['doors']"),
        ({'wheels': 'four'}, "car: '<' not supported between instances of 'str' and 'int'"),
        ({'wheels': 2}, 'wheels must be at least 3, got 2'),
    ],
)
def test_a_wrong_mapping_is_refused(mapping, text):
    with pytest.raises(ValueError, match=f'^{re.escape(text)}$'):
        from_mapping(Car, mapping, 'car')


def test_a_key_like_no_other_gets_no_hint():
    assert unknown_key('zzz', ['b', 'a']) == "key must be one of ['a', 'b'], got 'zzz'"


def test_a_file_is_replaced_whole_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / 'a.bin'
    path.write_bytes(b'older and longer')
    write_whole(path, b'new')
    assert path.read_bytes() == b'new'
    assert list(tmp_path.iterdir()) == [path]


def test_metrics_are_written_whole(tmp_path):
    write_metrics(tmp_path / 'new' / 'metrics.json', {'mae_deg': 1.5, 'mae_deg_low': None})
    (file,) = (tmp_path / 'new').iterdir()
    assert json.loads(file.read_text()) == {'mae_deg': 1.5, 'mae_deg_low': None}
    write_metrics(file, {'mae_deg': 2.5})
    assert json.loads(file.read_text()) == {'mae_deg': 2.5}


@pytest.mark.parametrize('value', [math.nan, math.inf])
def test_metrics_are_numbers(tmp_path, value):
    with pytest.raises(ValueError, match='JSON compliant'):
        write_metrics(tmp_path / 'metrics.json', {'mae_deg': value})
    assert list(tmp_path.iterdir()) == []
