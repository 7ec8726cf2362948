"""When the profile for large images is set."""

import xml.etree.ElementTree as ET
from types import SimpleNamespace

import pytest

from signattn.nodes.dds import SEGMENT_BYTES, VARIABLES, profile_environment
from signattn.share import share_path


@pytest.fixture
def room(monkeypatch):
    def set_room(free):
        monkeypatch.setattr('shutil.disk_usage', lambda _: SimpleNamespace(free=free))

    set_room(3 * SEGMENT_BYTES)
    return set_room


@pytest.mark.usefixtures('room')
@pytest.mark.parametrize(
    ('environment', 'is_set'),
    [
        ({}, True),
        ({'RMW_IMPLEMENTATION': 'rmw_fastrtps_cpp'}, True),
        ({'RMW_IMPLEMENTATION': 'rmw_cyclonedds_cpp'}, False),
        ({'FASTRTPS_DEFAULT_PROFILES_FILE': '/my/own.xml'}, False),
        ({'FASTDDS_DEFAULT_PROFILES_FILE': '/my/own.xml'}, False),
    ],
)
def test_only_for_fast_dds_and_only_if_the_user_has_set_none(tmp_path, environment, is_set):
    profile = tmp_path / 'fastdds.xml'
    added = profile_environment(profile, environment, tmp_path)
    assert added == (dict.fromkeys(VARIABLES, str(profile)) if is_set else {})


def test_only_where_there_is_room(room, tmp_path):
    room(3 * SEGMENT_BYTES - 1)
    assert profile_environment(tmp_path / 'fastdds.xml', {}, tmp_path) == {}
    assert profile_environment(tmp_path / 'fastdds.xml', {}, tmp_path / 'missing') == {}


def test_the_profile_has_the_segment_that_is_reckoned_with():
    tree = ET.parse(share_path('config/fastdds.xml'))
    sizes = [element.text for element in tree.iter() if element.tag.endswith('segment_size')]
    assert sizes == [str(SEGMENT_BYTES)]
