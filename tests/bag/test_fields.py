"""Fields by name."""

import re
from types import SimpleNamespace

import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from signattn.bag.fields import field_path, first_of, numbers, value_at


@pytest.mark.parametrize(
    ('text', 'path', 'first'),
    [
        ('angle', ('angle',), 'angle'),
        ('twist.twist.angular.z', ('twist', 'twist', 'angular', 'z'), 'twist.twist.angular.z'),
        ('data[12]', ('data', 12), 'data[0]'),
        ('data.12', ('data', 12), 'data[0]'),
        ('rows[1].cells[2].x', ('rows', 1, 'cells', 2, 'x'), 'rows[0].cells[0].x'),
        ('x2.y_1', ('x2', 'y_1'), 'x2.y_1'),
    ],
)
def test_names(text, path, first):
    assert field_path(text) == path
    assert first_of(path) == first


@pytest.mark.parametrize('text', ['', '.', 'a.', '.a', 'a..b', 'a[b]', 'a[', 'a b', 'a[-1]', '/a'])
def test_what_is_no_name(text):
    with pytest.raises(ValueError, match=f'got {re.escape(repr(text))}$'):
        field_path(text)


def test_values():
    message = SimpleNamespace(a=SimpleNamespace(b=[1, SimpleNamespace(c=2)]), flag=True)
    assert value_at(message, ('a', 'b', 0)) == 1.0
    assert value_at(message, ('a', 'b', 1, 'c')) == 2.0
    assert value_at(message, ('flag',)) == 1.0
    with pytest.raises(IndexError):
        value_at(message, ('a', 'b', 2))
    with pytest.raises(AttributeError):
        value_at(message, ('c',))
    with pytest.raises(TypeError):
        value_at(message, ('a',))


def test_all_numbers_of_a_type():
    types = get_typestore(Stores.ROS2_JAZZY)
    text = (
        'builtin_interfaces/Time stamp\nstring name\nbool on\nint8 X=1\nfloat32[3] three\n'
        'geometry_msgs/Point[] points\nstring[] names\n'
    )
    types.register(get_types_from_msg(text, 'my_msgs/msg/All'))
    assert list(numbers(types, 'my_msgs/msg/All')) == [
        'stamp.sec',
        'stamp.nanosec',
        'on',
        'three[0]',
        *(f'points[0].{axis}' for axis in 'xyz'),
    ]
