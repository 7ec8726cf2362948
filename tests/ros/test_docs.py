"""What docs/ros.md says of parameters and topics is what the nodes have."""

import runpy
from pathlib import Path

import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy')

from signattn.nodes import overlay_node  # noqa: E402

DOCS = Path(__file__).parents[2] / 'docs'


@pytest.fixture(scope='module')
def text():
    return (DOCS / 'ros.md').read_text(encoding='utf-8')


@pytest.fixture(scope='module')
def with_tables():
    return runpy.run_path(str(DOCS / 'parameters.py'))['with_tables']


def test_parameters_are_documented_as_they_are(text, with_tables):
    assert with_tables(text) == text, 'run: python docs/parameters.py'


def test_tables_are_written_where_they_stand(text, with_tables):
    assert with_tables(text.replace('| `max_age` | `0.5` |', '| `max_age` | `7` |')) == text


def test_a_page_without_place_for_a_table_is_refused(with_tables):
    with pytest.raises(ValueError, match=r'must hold a line "drive_node:" and a table below'):
        with_tables('')


def test_topics_are_documented(text, bench):
    drive = bench.drive_node(parameters={'publish_cmd': True})
    overlay = bench.add(overlay_node.OverlayNode(context=bench.context))
    ros_own = {'/parameter_events', '/rosout', '/signattn/transition_event'}
    for node in (drive, overlay):
        for publisher in node.publishers:
            if publisher.topic_name not in ros_own:
                package, kind = publisher.msg_type.__module__.split('.')[0], publisher.msg_type
                row = f'| `{publisher.topic_name}` | {package}/{kind.__name__} |'
                assert row in text
