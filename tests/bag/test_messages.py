"""Definitions of messages: the bag's own, ours by their history, a user's by --msg-path."""

import re
import sqlite3
from functools import lru_cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rosbags import rosbag1
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from signattn.bag import BagError, Selection, open_recording
from signattn.bag.definitions import DEFINITIONS
from signattn.bag.messages import undefined_types

START = 1_500_000_000_000_000_000
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
DBW = 'dbw_mkz_msgs/msg/SteeringReport'
ACKERMANN = 'ackermann_msgs/msg/AckermannDriveStamped'
AUTOWARE = 'autoware_vehicle_msgs/msg/SteeringReport'
VERSIONS = DEFINITIONS[DBW]
VALUES = {'steering_wheel_angle': 0.5, 'speed': 8.0}


def forget_definitions(path):
    """Turn an sqlite3 bag into one from before definitions were stored."""
    (file,) = path.glob('*.db3')
    with sqlite3.connect(file) as database:
        database.execute('UPDATE schema SET schema_version = 3')
        database.execute('DROP TABLE message_definitions')
    database.close()


@pytest.fixture
def old_bag(bag):
    """Gives a function: a ROS 2 bag without definitions, with one message of this type."""

    def write(msgtype, values, definition=None):
        definitions = {msgtype: definition} if definition else {}
        path, writer = bag('sqlite3', definitions=definitions)
        with writer:
            writer.picture()
            writer.send('/wheel', msgtype, START, values)
        forget_definitions(path)
        return path

    return write


@pytest.mark.parametrize(
    ('version', 'digest'),
    [
        ('1.0.0', '25bf2c220d904531d8bc16ab5271325d'),
        ('1.0.7', '435efc512abdd87ef2f942c0e8ed296d'),
    ],
)
def test_our_definitions_are_those_that_were_published(version, digest):
    types = get_typestore(Stores.ROS1_NOETIC)
    types.register(get_types_from_msg(VERSIONS[version], DBW))
    assert types.generate_msgdef(DBW, ros_version=1)[1] == digest


@pytest.mark.parametrize('version', list(VERSIONS))
@pytest.mark.parametrize('kind', ['ros1', 'sqlite3', 'mcap'])
def test_each_version_in_a_bag_that_defines_it(bag, version, kind):
    path, writer = bag(kind, definitions={DBW: VERSIONS[version]})
    with writer:
        writer.picture()
        writer.send('/wheel', DBW, START, VALUES)
    with open_recording(path) as recording:
        signals = recording.signals()
        assert recording.notes == []
    assert signals.steering.values.tolist() == [0.5]
    assert signals.speed.values.tolist() == [8.0]


@pytest.mark.parametrize('version', list(VERSIONS))
def test_each_version_in_a_bag_without_definitions(old_bag, version):
    with open_recording(old_bag(DBW, VALUES, VERSIONS[version])) as recording:
        assert len(list(recording.images())) == 1
        signals = recording.signals()
        recording.signals()
    assert signals.steering.values.tolist() == [0.5]
    assert signals.speed.values.tolist() == [8.0]
    wheel, camera = recording.notes
    found = re.fullmatch(
        f'{DBW} is not defined in the bag; read by the definition of dbw_mkz_msgs (.*), which '
        'fits its length',
        wheel,
    )
    # Of equal length and alike but for the names of flags.
    assert found[1] == {'1.0.12': '1.0.0'}.get(version, version)
    assert camera == (
        f'{COMPRESSED} is not defined in the bag; read by the definition of ROS 2 Jazzy'
    )


@lru_cache
def types_of(version):
    types = get_typestore(Stores.ROS2_JAZZY)
    types.register(get_types_from_msg(VERSIONS[version], DBW))
    return types


@given(
    st.sampled_from(list(VERSIONS)),
    st.text(max_size=9),
    st.integers(0, 3),
    st.floats(-1e3, 1e3, width=32),
    st.booleans(),
)
def test_the_version_is_told_by_the_length(version, frame_id, padding, angle, flag):
    types = types_of(version)
    time = types.types['builtin_interfaces/msg/Time'](sec=1, nanosec=2)
    header = types.types['std_msgs/msg/Header'](stamp=time, frame_id=frame_id)
    others = [name for name, _ in types.fielddefs[DBW][1]]
    fields = dict.fromkeys(others, flag) | {
        'header': header,
        'steering_wheel_angle': angle,
        'speed': 2.5,
    }
    data = bytes(types.serialize_cdr(types.types[DBW](**fields), DBW)) + bytes(padding)
    if len(data) % 4 and padding:
        data = data[: len(data) - padding]  # writers pad to four bytes or not at all
    found, _ = undefined_types(DBW, data, None)
    message = found.deserialize_cdr(data, DBW)
    assert (message.steering_wheel_angle, message.speed) == (angle, 2.5)


@pytest.mark.parametrize(
    ('msgtype', 'values', 'quantity', 'value'),
    [
        (ACKERMANN, {'drive': {'steering_angle': 0.5}}, 'tyre_angle', 0.5),
        ('ackermann_msgs/msg/AckermannDrive', {'steering_angle': 0.5}, 'tyre_angle', 0.5),
        (AUTOWARE, {'steering_tire_angle': 0.5}, 'tyre_angle', 0.5),
        (
            'autoware_auto_vehicle_msgs/msg/SteeringReport',
            {'steering_tire_angle': 0.5},
            'tyre_angle',
            0.5,
        ),
        ('autoware_vehicle_msgs/msg/VelocityReport', {'heading_rate': 0.5}, 'yaw_rate', 0.5),
        ('autoware_auto_vehicle_msgs/msg/VelocityReport', {'heading_rate': 0.5}, 'yaw_rate', 0.5),
        ('nav_msgs/msg/Odometry', {'twist': {'twist': {'angular': {'z': 0.5}}}}, 'yaw_rate', 0.5),
        ('geometry_msgs/msg/TwistStamped', {'twist': {'angular': {'z': 0.5}}}, 'yaw_rate', 0.5),
    ],
)
def test_other_types_in_a_bag_without_definitions(old_bag, msgtype, values, quantity, value):
    with open_recording(old_bag(msgtype, values)) as recording:
        series = recording.signals().steering
    assert (series.quantity, series.values.tolist()) == (quantity, [value])


def test_a_length_that_fits_no_version_asks_for_the_definition(old_bag):
    path = old_bag(DBW, VALUES, f'{VERSIONS["1.2.0"]}float64[4] more')
    text = f'{path}: /wheel at {START} ns must be a readable {DBW}, got DefinitionError: '
    rest = (
        'bytes, which fit no known version (1.0.0, 1.0.7, 1.0.12, 1.2.0); name a folder with its '
        '.msg file with --msg-path'
    )
    with (
        open_recording(path) as recording,
        pytest.raises(BagError, match=f'^{re.escape(text)}.*{re.escape(rest)}$'),
    ):
        recording.signals()


# --msg-path

WHEEL = 'my_msgs/msg/Wheel'
WHEEL_TEXT = 'std_msgs/Header header\nTurn turn\nmy_msgs/Turn[2] turns\nint8 X=1\n'
TURN_TEXT = 'float64 angle\n'
CHOSEN = {'steering': '/wheel:turn.angle', 'unit': 'rad'}


@pytest.fixture
def old_wheel(bag):
    """A ROS 2 bag without definitions, with a message of a type that nobody knows."""
    path, writer = bag(
        'sqlite3',
        definitions={'my_msgs/msg/Turn': TURN_TEXT, WHEEL: WHEEL_TEXT},
    )
    with writer:
        writer.picture()
        values = {'turn': {'angle': 0.1}, 'turns': [{'angle': 0.2}, {'angle': 0.3}]}
        writer.send('/wheel', WHEEL, START, values)
    forget_definitions(path)
    return path


@pytest.mark.parametrize('place', ['my_msgs/msg', 'msg', '.'])
def test_definitions_from_a_folder(old_wheel, tmp_path, place):
    folder = tmp_path / 'definitions'
    (folder / place).mkdir(parents=True)
    (folder / place / 'Wheel.msg').write_text(WHEEL_TEXT)
    (folder / place / 'Turn.msg').write_text(TURN_TEXT)
    with open_recording(old_wheel, Selection(**CHOSEN, msg_path=folder)) as recording:
        assert recording.signals().steering.values.tolist() == [0.1]
        (note,) = recording.notes
        whose = folder / place / 'Wheel.msg'
        assert note == f'{WHEEL} is not defined in the bag; read by the definition of {whose}'
    second = CHOSEN | {'steering': '/wheel:turns[1].angle'}
    with open_recording(old_wheel, Selection(**second, msg_path=folder)) as recording:
        assert recording.signals().steering.values.tolist() == [0.3]


def test_a_type_that_nobody_defines(old_wheel, tmp_path):
    text = f'/wheel at {START} ns must be a readable {WHEEL}, got DefinitionError: '
    missing = f'{text}no definition of it; name a folder with its .msg file with --msg-path'
    with (
        open_recording(old_wheel, Selection(**CHOSEN)) as recording,
        pytest.raises(BagError, match=re.escape(missing)),
    ):
        recording.signals()
    (tmp_path / 'Wheel.msg').write_text(WHEEL_TEXT)
    nested = f'{text}my_msgs/msg/Turn without a definition; name a folder'
    with (
        open_recording(old_wheel, Selection(**CHOSEN, msg_path=tmp_path)) as recording,
        pytest.raises(BagError, match=re.escape(nested)),
    ):
        recording.signals()
    with open_recording(old_wheel, Selection(**CHOSEN)) as recording:
        times = recording.times()
    assert times['/wheel'].stamp_ns is None
    assert times['/wheel'].received_ns.tolist() == [START]


def test_a_file_that_defines_nothing(old_wheel, tmp_path):
    (tmp_path / 'Wheel.msg').write_text('%%%')
    with (
        open_recording(old_wheel, Selection(**CHOSEN, msg_path=tmp_path)) as recording,
        pytest.raises(BagError, match=f'must be a readable {WHEEL}, got TypesysError: '),
    ):
        recording.signals()


def test_a_folder_wins_over_ours(old_bag, tmp_path):
    own = 'std_msgs/Header header\nfloat64 steering_wheel_angle\n'
    path = old_bag(DBW, {'steering_wheel_angle': 0.1}, own)
    (tmp_path / 'SteeringReport.msg').write_text(own)
    with open_recording(path, Selection(msg_path=tmp_path)) as recording:
        signals = recording.signals()
    assert signals.steering.values.tolist() == [0.1]
    assert signals.speed is None


def test_a_bag_wins_over_a_folder(bag, tmp_path):
    path, writer = bag('sqlite3')
    with writer:
        writer.picture()
        writer.send('/wheel', DBW, START, VALUES)
    (tmp_path / 'SteeringReport.msg').write_text('float32 other\n')
    with open_recording(path, Selection(msg_path=tmp_path)) as recording:
        assert recording.signals().steering.values.tolist() == [0.5]


def test_a_definition_in_the_bag_that_is_none(tmp_path):
    path = tmp_path / 'drive.bag'
    with rosbag1.Writer(path) as writer:
        camera = writer.add_connection('/cam', COMPRESSED, msgdef='%%%', md5sum='0')
        writer.write(camera, START, b'')
    text = f'/cam at {START} ns must be a readable {COMPRESSED}, got TypesysError: '
    with open_recording(path) as recording, pytest.raises(BagError, match=text):
        list(recording.images())
