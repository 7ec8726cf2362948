"""What docs/ros.md says of parameters and topics is what the nodes have."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy')

from signattn.nodes import drive_node, overlay_node, replay_node  # noqa: E402


@pytest.fixture(scope='module')
def text():
    path = Path(__file__).parents[2] / 'docs' / 'ros.md'
    return path.read_text(encoding='utf-8')


@pytest.mark.parametrize('node', [drive_node, overlay_node, replay_node])
def test_parameters_are_documented_as_they_are(text, node):
    rows = '\n'.join(parameter.row() for parameter in node.PARAMETERS)
    assert rows in text


def test_topics_are_documented(text, bench):
    drive = bench.drive_node(parameters={'publish_cmd': True})
    overlay = bench.add(overlay_node.OverlayNode(context=bench.context))
    ros_own = {'/parameter_events', '/rosout', '/signattn/transition_event'}
    for node in (drive, overlay):
        for name, types in node.get_publisher_names_and_types_by_node(node.get_name(), '/'):
            if name not in ros_own:
                (kind,) = types
                assert f'| `{name}` | {kind.replace("/msg/", "/")} |' in text
