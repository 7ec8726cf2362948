"""Bags and image folders, written here, read back through the one interface."""

import re
from contextlib import contextmanager
from io import BytesIO

import cv2
import numpy as np
import pytest
import yaml
from rosbags import rosbag1, rosbag2
from rosbags.rosbag2 import storage_mcap
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from signattn.bag import BagError, BagWriter, Topic, open_recording
from signattn.bag.messages import COMPRESSED, STEERING, STEERING_REPORT, own_types

FORMATS = ('ros1', 'sqlite3', 'mcap')
NAMES = {'ros1': 'drive.bag', 'sqlite3': 'drive', 'mcap': 'drive'}
CAMERA = '/center_camera/image_color/compressed'
REPORT = '/vehicle/steering_report'
START = 1_479_425_441_000_000_007  # ns
STEP = 50_000_000  # ns
RED = np.full((8, 12, 3), (200, 0, 0), np.uint8)
JPEG = cv2.imencode('.jpg', RED[:, :, ::-1])[1].ravel()
DIGEST_OF_2016 = '25bf2c220d904531d8bc16ab5271325d'

formats = pytest.mark.parametrize('kind', FORMATS)


def stamp(i):
    return START + i * STEP


def udacity_bag(folder, kind, count=3):
    """A bag with the topics of the car: the wheel at i/4 rad, 10 + i m/s."""
    path = folder / NAMES[kind]
    with BagWriter(path, kind) as writer:
        for i in range(count):
            writer.image(stamp(i), RED)
            writer.camera_info(stamp(i), 500.0, 501.0, 6.0, 4.0, 12, 8)
            writer.steering(stamp(i), i / 4, 10.0 + i)
    return path


@contextmanager
def any_bag(path, kind, definition=STEERING_REPORT, prepare=None):
    """Gives a function that writes any message, received at any time, to a bag."""
    types = get_typestore(Stores.ROS1_NOETIC if kind == 'ros1' else Stores.ROS2_JAZZY)
    types.register(get_types_from_msg(definition, STEERING))
    if kind == 'ros1':
        writer, serialize = rosbag1.Writer(path), types.serialize_ros1
    else:
        plugin = rosbag2.StoragePlugin[kind.upper()]
        writer = rosbag2.Writer(path, version=8, storage_plugin=plugin)
        serialize = types.serialize_cdr
    if prepare:
        prepare(writer)
    connections = {}

    def send(topic, msgtype, received_ns, stamp_ns=None, **fields):
        if topic not in connections:
            connections[topic] = writer.add_connection(topic, msgtype, typestore=types)
        if received_ns is None:
            return
        if raw := fields.get('raw'):
            writer.write(connections[topic], received_ns, raw)
            return
        sec, nanosec = divmod(received_ns if stamp_ns is None else stamp_ns, 10**9)
        seq = {'seq': 0} if kind == 'ros1' else {}
        time = types.types['builtin_interfaces/msg/Time'](sec=sec, nanosec=nanosec)
        header = types.types['std_msgs/msg/Header'](stamp=time, frame_id='cam', **seq)
        message = types.types[msgtype](header=header, **fields)
        writer.write(connections[topic], received_ns, serialize(message, msgtype))

    with writer:
        yield send


def report(angle, speed):
    own = own_types(2)
    fields = {name: 0 for name, _ in own.fielddefs[STEERING][1] if name != 'header'}
    return fields | {'steering_wheel_angle': angle, 'speed': speed}


def camera_bag(path, kind, *cameras):
    """One JPEG for every topic that is named."""
    with any_bag(path, kind) as send:
        for topic in cameras:
            send(topic, COMPRESSED, START, format='jpeg', data=JPEG)
    return path


# Round trips


@formats
def test_compressed_images_come_back(tmp_path, kind):
    with open_recording(udacity_bag(tmp_path, kind)) as recording:
        images = list(recording.images())
    assert recording.format == kind
    assert recording.image_topic == CAMERA
    assert [image.stamp_ns for image in images] == [stamp(i) for i in range(3)]
    assert [image.received_ns for image in images] == [stamp(i) for i in range(3)]
    assert {image.frame_id for image in images} == {'center_camera'}
    assert {(image.format, image.encoding) for image in images} == {('jpeg', '')}
    assert images[0].data.ndim == 1
    rgb = images[2].rgb()
    assert rgb.shape == RED.shape
    assert np.abs(rgb.astype(int) - RED).max() <= 3  # JPEG


@formats
def test_raw_images_come_back_exactly(tmp_path, kind):
    path = tmp_path / NAMES[kind]
    pictures = [np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3) + i for i in range(3)]
    with BagWriter(path, kind) as writer:
        for i, picture in enumerate(pictures):
            writer.raw_image(stamp(i), picture)
    with open_recording(path) as recording:
        assert recording.image_topic == '/center_camera/image_color'
        images = list(recording.images())
    assert [image.stamp_ns for image in images] == [stamp(i) for i in range(3)]
    assert (images[0].encoding, images[0].format) == ('rgb8', '')
    assert (images[0].height, images[0].width, images[0].step) == (4, 6, 18)
    for image, picture in zip(images, pictures, strict=True):
        np.testing.assert_array_equal(image.rgb(), picture)


@formats
def test_signals_come_back(tmp_path, kind):
    with open_recording(udacity_bag(tmp_path, kind)) as recording:
        signals = recording.signals()
    assert recording.steering_topic == REPORT
    assert signals.steering.stamp_ns.dtype == np.int64
    assert signals.steering.stamp_ns.tolist() == [stamp(i) for i in range(3)]
    assert signals.steering.values.tolist() == [0.0, 0.25, 0.5]
    assert signals.speed.values.tolist() == [10.0, 11.0, 12.0]


@formats
def test_topics_are_listed_with_type_and_count(tmp_path, kind):
    with open_recording(udacity_bag(tmp_path, kind)) as recording:
        assert recording.topics == [
            Topic('/center_camera/camera_info', 'sensor_msgs/msg/CameraInfo', 3),
            Topic(CAMERA, COMPRESSED, 3),
            Topic(REPORT, STEERING, 3),
        ]


@pytest.mark.parametrize(('kind', 'suffix'), [('sqlite3', 'db3'), ('mcap', 'mcap')])
def test_a_single_storage_file_is_a_recording(tmp_path, kind, suffix):
    udacity_bag(tmp_path, kind)
    with open_recording(str(tmp_path / 'drive' / f'drive.{suffix}')) as recording:
        assert recording.format == kind
        assert len(list(recording.images())) == 3
        assert recording.signals().speed.values.tolist() == [10.0, 11.0, 12.0]


def compress_ros1(name):
    return lambda writer: writer.set_compression(rosbag1.Writer.CompressionFormat[name])


def compress_ros2(name):
    zstd = rosbag2.CompressionFormat.ZSTD
    return lambda writer: writer.set_compression(rosbag2.CompressionMode[name], zstd)


@pytest.mark.parametrize(
    ('kind', 'prepare'),
    [
        pytest.param('ros1', compress_ros1('BZ2'), id='ros1-bz2'),
        pytest.param('ros1', compress_ros1('LZ4'), id='ros1-lz4'),
        pytest.param('sqlite3', compress_ros2('FILE'), id='sqlite3-zstd-file'),
        pytest.param('sqlite3', compress_ros2('MESSAGE'), id='sqlite3-zstd-message'),
        pytest.param('mcap', compress_ros2('STORAGE'), id='mcap-zstd-chunks'),
    ],
)
def test_compressed_bags_are_read(tmp_path, kind, prepare):
    path = tmp_path / NAMES[kind]
    with any_bag(path, kind, prepare=prepare) as send:
        for i in range(3):
            send(CAMERA, COMPRESSED, stamp(i), format='jpeg', data=JPEG)
            send(REPORT, STEERING, stamp(i), **report(i / 4, 1.0))
    with open_recording(path) as recording:
        assert [image.stamp_ns for image in recording.images()] == [stamp(i) for i in range(3)]
        assert recording.signals().steering.values.tolist() == [0.0, 0.25, 0.5]


# What the bag says about itself


@formats
def test_definitions_are_taken_from_the_bag(tmp_path, kind):
    later = 'uint8 mode\nstd_msgs/Header header\nfloat64 steering_wheel_angle\nbool timeout'
    path = tmp_path / NAMES[kind]
    with any_bag(path, kind, definition=later) as send:
        send(CAMERA, COMPRESSED, START, format='jpeg', data=JPEG)
        send(REPORT, STEERING, START, mode=3, steering_wheel_angle=0.1, timeout=True)
    with open_recording(path) as recording:
        signals = recording.signals()
    assert signals.steering.values.tolist() == [0.1]  # float64: 0.1 isn't rounded to float32
    assert signals.speed is None


def test_idl_definitions_are_taken_from_the_bag(tmp_path):
    line = '=' * 80
    files = {
        'std_msgs/msg/Header': """
            #include "builtin_interfaces/msg/Time.idl"
            module std_msgs { module msg { struct Header {
                builtin_interfaces::msg::Time stamp;
                string frame_id;
            }; }; };""",
        STEERING: """
            // generated from rosidl_adapter/resource/msg.idl.em
            #include "std_msgs/msg/Header.idl"
            module dbw_mkz_msgs { module msg { struct SteeringReport {
                std_msgs::msg::Header header;
                @unit (value="rad")
                double steering_wheel_angle;
            }; }; };""",
    }
    text = '\n'.join(f'{line}\nIDL: {name}\n{idl}' for name, idl in reversed(files.items()))
    types = get_typestore(Stores.ROS2_JAZZY)
    types.register(
        get_types_from_msg('std_msgs/Header header\nfloat64 steering_wheel_angle', STEERING)
    )
    make = types.types
    time = make['builtin_interfaces/msg/Time'](sec=1, nanosec=2)
    message = make[STEERING](
        header=make['std_msgs/msg/Header'](stamp=time, frame_id=''), steering_wheel_angle=0.1
    )
    plugin = rosbag2.StoragePlugin.MCAP
    with rosbag2.Writer(tmp_path / 'drive', version=8, storage_plugin=plugin) as writer:
        camera = writer.add_connection(CAMERA, COMPRESSED, typestore=types)
        writer.write(camera, START, b'')
        wheel = writer.add_connection(REPORT, STEERING, msgdef=text, rihs01='RIHS01_0')
        writer.write(wheel, START, types.serialize_cdr(message, STEERING))
    with open_recording(tmp_path / 'drive') as recording:
        signals = recording.signals()
    assert signals.steering.stamp_ns.tolist() == [1_000_000_002]
    assert signals.steering.values.tolist() == [0.1]


# Passes over a recording


def unindexed_mcap(path, count):
    """An mcap without chunks and index, as the storage preset fastwrite leaves it."""
    types = own_types(2)
    text, _ = types.generate_msgdef(COMPRESSED, ros_version=2)
    time, header = types.types['builtin_interfaces/msg/Time'], types.types['std_msgs/msg/Header']
    strings = storage_mcap.write_string
    with path.open('wb') as file:
        file.write(b'\x89MCAP0\r\n')
        record = BytesIO()
        strings(record, 'ros2')
        strings(record, '')
        storage_mcap.write_record(file, 0x01, record)
        schema = storage_mcap.Schema(1, COMPRESSED, 'ros2msg', text)
        storage_mcap.write_schema(file, schema)
        channel = storage_mcap.Channel(1, COMPRESSED, '/cam', 'cdr', b'')
        storage_mcap.write_channel(file, channel, [schema])
        for i in range(count):
            sec, nanosec = divmod(stamp(i), 10**9)
            message = types.types[COMPRESSED](
                header=header(stamp=time(sec=sec, nanosec=nanosec), frame_id=''),
                format='jpeg',
                data=JPEG,
            )
            record = BytesIO()
            record.write(b'\x01\x00' + bytes(4) + stamp(i).to_bytes(8, 'little') * 2)
            record.write(types.serialize_cdr(message, COMPRESSED))
            storage_mcap.write_record(file, 0x05, record)
        record = BytesIO()
        record.write(bytes(20))
        storage_mcap.write_record(file, 0x02, record)
        file.write(b'\x89MCAP0\r\n')
    return path


@pytest.mark.parametrize('kind', [*FORMATS, 'unindexed'])
def test_passes_may_interleave(tmp_path, kind):
    if kind == 'unindexed':
        path = unindexed_mcap(tmp_path / 'drive.mcap', 3)
    else:
        path = udacity_bag(tmp_path, kind)
    with open_recording(path) as recording:
        pairs = zip(recording.images(), recording.images(), strict=True)
        stamps = [(first.stamp_ns, second.stamp_ns) for first, second in pairs]
        assert len(list(recording.images())) == 3
    assert stamps == [(stamp(i), stamp(i)) for i in range(3)]


@formats
def test_a_pass_under_way_outlives_close(tmp_path, kind):
    recording = open_recording(udacity_bag(tmp_path, kind))
    images = recording.images()
    next(images)
    recording.close()
    assert [image.stamp_ns for image in images] == [stamp(1), stamp(2)]


# Damage


def test_nothing_there(tmp_path):
    with pytest.raises(BagError, match=r'no\.bag must be a bag or an image folder, got nothing'):
        open_recording(tmp_path / 'no.bag')


def test_a_folder_that_is_no_recording(tmp_path):
    wanted = 'the files of a ROS 2 bag or interpolated.csv or driving_log.csv'
    text = f'{tmp_path} must hold {wanted}, got '
    with pytest.raises(BagError, match=re.escape(text + 'nothing')):
        open_recording(tmp_path)
    for name in 'abcdef':
        (tmp_path / name).touch()
    with pytest.raises(BagError, match=re.escape(text + 'a, b, c, d, e, …')):
        open_recording(tmp_path)


# The writer


def test_the_steering_report_is_the_one_of_2016(tmp_path):
    with rosbag1.Reader(udacity_bag(tmp_path, 'ros1')) as reader:
        digests = {connection.topic: connection.digest for connection in reader.connections}
    assert digests[REPORT] == DIGEST_OF_2016


@pytest.mark.parametrize('kind', ['sqlite3', 'mcap'])
def test_ros2_bags_carry_ros2_definitions(tmp_path, kind):
    with rosbag2.Reader(udacity_bag(tmp_path, kind)) as reader:
        definitions = {c.msgtype: c.msgdef.data for c in reader.connections}
    for text in definitions.values():
        _, header = text.split('MSG: std_msgs/Header\n')
        fields = header.split('=' * 80)[0].split()
        assert fields == ['builtin_interfaces/Time', 'stamp', 'string', 'frame_id']
    assert definitions[STEERING].startswith(STEERING_REPORT)


@pytest.mark.parametrize('kind', ['sqlite3', 'mcap'])
def test_ros2_bags_have_the_metadata_that_rosbag2_reads(tmp_path, kind):
    path = udacity_bag(tmp_path, kind)
    metadata = yaml.safe_load((path / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
    file = {'sqlite3': 'drive.db3', 'mcap': 'drive.mcap'}[kind]
    assert sorted(p.name for p in path.iterdir()) == [file, 'metadata.yaml']
    assert metadata['version'] == 8
    assert metadata['storage_identifier'] == kind
    assert metadata['relative_file_paths'] == [file]
    assert metadata['files'] == [
        {
            'path': file,
            'starting_time': {'nanoseconds_since_epoch': START},
            'duration': {'nanoseconds': 2 * STEP},
            'message_count': 9,
        }
    ]
    assert metadata['duration'] == {'nanoseconds': 2 * STEP}
    assert metadata['starting_time'] == {'nanoseconds_since_epoch': START}
    assert metadata['message_count'] == 9
    assert (metadata['compression_format'], metadata['compression_mode']) == ('', '')
    assert {'custom_data', 'ros_distro'} <= metadata.keys()
    topics = {
        entry['topic_metadata']['name']: entry for entry in metadata['topics_with_message_count']
    }
    assert topics[CAMERA]['message_count'] == 3
    assert topics[CAMERA]['topic_metadata']['type'] == COMPRESSED
    assert topics[CAMERA]['topic_metadata']['serialization_format'] == 'cdr'
    # A string, as Humble wants it.
    assert topics[CAMERA]['topic_metadata']['offered_qos_profiles'] == ''
    assert topics[CAMERA]['topic_metadata']['type_description_hash'].startswith('RIHS01_')


@formats
def test_camera_info_holds_the_calibration(tmp_path, kind):
    path = udacity_bag(tmp_path, kind)
    reader = rosbag1.Reader(path) if kind == 'ros1' else rosbag2.Reader(path)
    types = own_types(1 if kind == 'ros1' else 2)
    deserialize = types.deserialize_ros1 if kind == 'ros1' else types.deserialize_cdr
    with reader:
        (connection,) = (c for c in reader.connections if c.topic.endswith('camera_info'))
        messages = [deserialize(m[2], m[0].msgtype) for m in reader.messages([connection])]
    info = messages[2]
    k, p = (info.K, info.P) if kind == 'ros1' else (info.k, info.p)
    assert (info.height, info.width, info.header.frame_id) == (8, 12, 'center_camera')
    assert k.reshape(3, 3).tolist() == [[500, 0, 6], [0, 501, 4], [0, 0, 1]]
    assert p.reshape(3, 4).tolist() == [[500, 0, 6, 0], [0, 501, 4, 0], [0, 0, 1, 0]]
    if kind == 'ros1':
        assert [message.header.seq for message in messages] == [0, 1, 2]


@formats
def test_the_same_calls_give_the_same_bytes(tmp_path, kind):
    bags = [udacity_bag(tmp_path / name, kind) for name in ('a', 'b')]
    first, second = (
        {file.name: file.read_bytes() for file in ([bag] if bag.is_file() else bag.iterdir())}
        for bag in bags
    )
    assert first == second


@formats
def test_the_writer_leaves_nothing_but_the_bag(tmp_path, kind):
    path = udacity_bag(tmp_path / 'new' / 'folders', kind)
    assert list(path.parent.iterdir()) == [path]


@formats
def test_an_error_while_writing_leaves_nothing(tmp_path, kind):
    path = tmp_path / NAMES[kind]

    def write():
        with BagWriter(path, kind) as writer:
            writer.image(START, RED)
            assert not path.exists()
            raise KeyError('mine')

    with pytest.raises(KeyError, match='mine'):
        write()
    assert list(tmp_path.iterdir()) == []


@formats
def test_an_existing_bag_is_not_overwritten(tmp_path, kind):
    path = udacity_bag(tmp_path, kind)
    with pytest.raises(BagError, match=f'^{path} must not exist yet, got an older one; remove it'):
        BagWriter(path, kind)


def test_the_writer_refuses_what_it_cant_write(tmp_path):
    with pytest.raises(ValueError, match="format must be one of ros1, sqlite3, mcap, got 'tape'"):
        BagWriter(tmp_path / 'drive', 'tape')
    with pytest.raises(BagError, match=r'path must end in \.bag for format ros1, got .*drive$'):
        BagWriter(tmp_path / 'drive', 'ros1')
    writer = BagWriter(tmp_path / 'drive', 'mcap')
    with pytest.raises(RuntimeError, match='must be used in a with statement, got a call outside'):
        writer.steering(START, 0.0, 0.0)
    with writer:
        for bad in (-1, 2**31 * 10**9):
            with pytest.raises(ValueError, match=rf'stamp_ns must be in 0\.\.\d+, got {bad}'):
                writer.steering(bad, 0.0, 0.0)
        writer.steering(np.int64(2**31 * 10**9 - 1), 0.0, 0.0)
        for send in (writer.image, writer.raw_image):
            for bad in (RED[:, :, 0], RED[:, :, :2], RED.astype(float), RED[:0]):
                with pytest.raises(ValueError, match=r'rgb must be \(H, W, 3\) uint8, got \('):
                    send(START, bad)


@pytest.mark.parametrize('storage', ['sqlite3', 'mcap'])
def test_a_ros2_bag_is_no_file_that_ends_in_bag(tmp_path, storage):
    with pytest.raises(BagError, match=rf'must not end in \.bag for format {storage}, got'):
        BagWriter(tmp_path / 'drive.bag', storage)
