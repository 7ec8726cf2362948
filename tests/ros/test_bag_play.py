"""Bags as ``ros2 bag play`` takes them: by the rules of rosbag2, and through the drive node.

rosbag2 is C++ and no wheel. What it reads of a bag is read here in the same way, and each message
is published as it does: the serialized bytes, with reliable QoS, after the time of the bag.

Source: rosbag2 0.26 (Jazzy): rosbag2_storage/yaml.hpp and qos.cpp, rosbag2_cpp/sequential_reader,
rosbag2_storage_sqlite3, rosbag2_storage_mcap, rosbag2_transport/player.cpp.
"""

import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import mcap.reader
import numpy as np
import pytest
import yaml

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy')

from geometry_msgs.msg import Vector3Stamped  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image  # noqa: E402

from signattn.bag import BagWriter  # noqa: E402
from signattn.nodes.messages import nanoseconds  # noqa: E402

START_NS = 1_479_424_215_880_976_321
TICK_NS = 50_000_000
COUNT = 3
CAMERA = '/center_camera/image_color'
KINDS = {
    f'{CAMERA}/compressed': CompressedImage,
    CAMERA: Image,
    '/center_camera/camera_info': CameraInfo,
}
SUFFIXES = {'sqlite3': '.db3', 'mcap': '.mcap'}


def write(path, form):
    with BagWriter(path, form) as bag:
        for i in range(COUNT):
            stamp_ns = START_NS + i * TICK_NS
            rgb = np.full((48, 64, 3), 40 * i, np.uint8)
            bag.image(stamp_ns, rgb)
            bag.raw_image(stamp_ns, rgb)
            bag.camera_info(stamp_ns, 50, 50, 32, 24, 64, 48)
            bag.steering(stamp_ns, 0.1, 5.0)
    return path


@pytest.fixture(params=['sqlite3', 'mcap', 'converted sqlite3', 'converted mcap'])
def bag(request, tmp_path):
    """A bag as ``signattn synth`` writes it, and a ROS 1 bag that docs/ros.md has converted."""
    form = request.param.split()[-1]
    if form == request.param:
        return write(tmp_path / 'bag', form)
    source = write(tmp_path / 'ros1.bag', 'ros1')
    command = [Path(sys.executable).parent / 'rosbags-convert', '--src', source, '--dst']
    command += [tmp_path / 'bag', '--dst-version', '8', '--dst-storage', form]
    subprocess.run(command, check=True)
    return tmp_path / 'bag'


def metadata(folder):
    text = (folder / 'metadata.yaml').read_text(encoding='utf-8')
    return yaml.safe_load(text)['rosbag2_bagfile_information']


def check_metadata(told, folder):
    """What rosbag2 of Humble and later converts to its types, without which it raises."""

    def whole(value):
        assert type(value) is int
        assert value >= 0
        return value

    assert whole(told['version']) == 8  # Humble takes no list for the QoS, as 9 has it
    storage = told['storage_identifier']
    (name,) = told['relative_file_paths']
    assert (folder / name).is_file()
    assert name.endswith(SUFFIXES[storage])
    (file,) = told['files']
    assert file['path'] == name
    for part in (told, file):
        assert whole(part['starting_time']['nanoseconds_since_epoch']) == START_NS
        assert whole(part['duration']['nanoseconds']) == (COUNT - 1) * TICK_NS
        assert whole(part['message_count']) == COUNT * len(told['topics_with_message_count'])
    # Strings may not be null; only where both are empty it needs no plugin to decompress.
    assert (told['compression_format'], told['compression_mode']) == ('', '')
    assert type(told['ros_distro']) is str
    assert told['custom_data'] is None  # as rosbag2 writes an empty map
    for topic in told['topics_with_message_count']:
        assert whole(topic['message_count']) == COUNT
        about = topic['topic_metadata']
        assert about['serialization_format'] == 'cdr'
        assert about['offered_qos_profiles'] == ''  # then it publishes reliably
        assert re.fullmatch('RIHS01_[0-9a-f]{64}', about['type_description_hash'])
        assert re.fullmatch(r'/[a-z_/]+', about['name'])
        assert re.fullmatch(r'[a-z_0-9]+/msg/[A-Za-z0-9]+', about['type'])


def sqlite_rows(path):
    """Topic, type, ns and bytes by the queries of rosbag2_storage_sqlite3."""
    with sqlite3.connect(path) as database:
        ((version, _),) = database.execute('SELECT schema_version, ros_distro FROM schema')
        assert version == 4
        ((number, text),) = database.execute(
            'SELECT metadata_version, metadata FROM metadata ORDER BY id'
        )
        assert number == 8
        inside = yaml.safe_load(text)
        topics = database.execute(
            'SELECT name, type, serialization_format, offered_qos_profiles, '
            'type_description_hash FROM topics ORDER BY id'
        ).fetchall()
        assert all(row[2:4] == ('cdr', '') for row in topics)
        kinds = {row[0]: row[1] for row in topics}
        defined = database.execute(
            'SELECT topic_type, encoding, encoded_message_definition, type_description_hash '
            'FROM message_definitions ORDER BY id'
        ).fetchall()
        assert {(row[0], row[1]) for row in defined} == {
            (kind, 'ros2msg') for kind in kinds.values()
        }
        rows = database.execute(
            'SELECT data, timestamp, topics.name, messages.id FROM messages JOIN topics ON '
            'messages.topic_id = topics.id ORDER BY messages.timestamp ASC, messages.id ASC'
        ).fetchall()
    database.close()
    return [(name, kinds[name], stamp, data) for data, stamp, name, _ in rows], inside


def mcap_rows(path):
    """Topic, type, ns and bytes as rosbag2_storage_mcap finds them, by the summary."""
    with path.open('rb') as file:
        reader = mcap.reader.SeekingReader(file, validate_crcs=True)
        summary = reader.get_summary()
        assert reader.get_header().profile == 'ros2'
        assert summary.statistics.message_count == COUNT * len(summary.channels)
        assert summary.statistics.message_start_time == START_NS
        assert all(chunk.message_index_offsets for chunk in summary.chunk_indexes)
        for channel in summary.channels.values():
            assert channel.message_encoding == 'cdr'
            assert channel.metadata['offered_qos_profiles'] == ''
            assert summary.schemas[channel.schema_id].encoding == 'ros2msg'
        (record,) = (one for one in reader.iter_metadata() if one.name == 'rosbag2')
        rows = [
            (channel.topic, schema.name, message.log_time, message.data)
            for schema, channel, message in reader.iter_messages()
        ]
    return rows, yaml.safe_load(record.metadata['serialized_metadata'])


def rows(folder):
    told = metadata(folder)
    (name,) = told['relative_file_paths']
    read = sqlite_rows if told['storage_identifier'] == 'sqlite3' else mcap_rows
    found, inside = read(folder / name)
    assert inside == told
    return found


def test_rosbag2_can_read_it(bag):
    told = metadata(bag)
    check_metadata(told, bag)
    found = rows(bag)
    kinds = {
        topic['topic_metadata']['name']: topic['topic_metadata']['type']
        for topic in told['topics_with_message_count']
    }
    assert {(topic, kind) for topic, kind, _, _ in found} == set(kinds.items())
    for topic in kinds:
        stamps = [row[2] for row in found if row[0] == topic]
        assert stamps == [START_NS + i * TICK_NS for i in range(COUNT)]


@pytest.mark.parametrize('topic', [CAMERA, f'{CAMERA}/compressed'])
def test_its_messages_are_answered_when_they_are_published_as_they_are(
    bench, known_engine, bag, topic
):
    transport = 'raw' if topic == CAMERA else 'compressed'
    engine = known_engine()
    given = {'use_sim_time': True, 'max_age': 0.5, 'image_transport': transport}
    remap = ['--ros-args', '-r', f'image:={CAMERA}']
    node = bench.drive_node(engine, given, cli_args=remap)
    player = bench.plain_node('player')
    answers = bench.listen(player, Vector3Stamped, 'signattn/curvature')
    clock = bench.talk(player, Clock, '/clock')
    publishers = {name: player.create_publisher(kind, name, 10) for name, kind in KINDS.items()}
    bench.spin_until(publishers[topic].get_subscription_count)
    bench.spin_for(0.1)
    for name, _, stamp_ns, data in rows(bag):
        if name not in publishers:  # a package that isn't installed: passed over, with a warning
            continue
        time = Clock()
        time.clock.sec, time.clock.nanosec = divmod(stamp_ns, 1_000_000_000)
        clock.publish(time)
        bench.spin_until(lambda ns=stamp_ns: node.get_clock().now().nanoseconds == ns)
        publishers[name].publish(bytes(data))
        if name == topic:
            bench.spin_until(lambda ns=stamp_ns: ns in stamps(answers))
    assert [round(float(image.mean())) for image in engine.seen] == [0, 40, 80]
    assert node._tally.dropped == {}


def stamps(messages):
    return [nanoseconds(message.header.stamp) for message in messages]


def test_its_type_hashes_are_those_of_ros(bench, tmp_path):
    told = metadata(write(tmp_path / 'bag', 'mcap'))
    hashes = {
        topic['topic_metadata']['name']: topic['topic_metadata']['type_description_hash']
        for topic in told['topics_with_message_count']
    }
    node = bench.plain_node()
    for topic, kind in KINDS.items():
        node.create_publisher(kind, topic, 1)
        bench.spin_until(lambda topic=topic: node.get_publishers_info_by_topic(topic))
        (about,) = node.get_publishers_info_by_topic(topic)
        assert hashes[topic] == f'RIHS01_{about.topic_type_hash.value.hex()}'
