"""Which topic says how the car turns and how fast it goes; every type written and read."""

import math
import re

import numpy as np
import pytest

from signattn.bag import BagError, Selection, open_recording
from signattn.bag.definitions import DEFINITIONS
from signattn.bag.steering import STEERING

FORMATS = ('ros1', 'sqlite3', 'mcap')
START = 1_500_000_000_000_000_000
STEP = 50_000_000
DBW = 'dbw_mkz_msgs/msg/SteeringReport'
ACKERMANN = 'ackermann_msgs/msg/AckermannDriveStamped'
ACKERMANN_BARE = 'ackermann_msgs/msg/AckermannDrive'
AUTOWARE = 'autoware_vehicle_msgs/msg/SteeringReport'
VELOCITY = 'autoware_vehicle_msgs/msg/VelocityReport'
OLDER_AUTOWARE = 'autoware_auto_vehicle_msgs/msg/SteeringReport'
OLDER_VELOCITY = 'autoware_auto_vehicle_msgs/msg/VelocityReport'
ODOMETRY = 'nav_msgs/msg/Odometry'
TWIST_STAMPED = 'geometry_msgs/msg/TwistStamped'
TWIST = 'geometry_msgs/msg/Twist'


def moving(speed, yaw_rate=0.0):
    return {'linear': {'x': speed}, 'angular': {'z': yaw_rate}}


VALUES = {
    DBW: {'steering_wheel_angle': 0.5, 'speed': 8.0},
    AUTOWARE: {'steering_tire_angle': 0.25},
    OLDER_AUTOWARE: {'steering_tire_angle': 0.25},
    VELOCITY: {'longitudinal_velocity': 7.0, 'heading_rate': 0.125},
    OLDER_VELOCITY: {'longitudinal_velocity': 7.0, 'heading_rate': 0.125},
    ACKERMANN: {'drive': {'steering_angle': 0.75, 'speed': 3.0}},
    ACKERMANN_BARE: {'steering_angle': 0.75, 'speed': 3.0},
    ODOMETRY: {'twist': {'twist': moving(5.0, -0.5)}},
    TWIST_STAMPED: {'twist': moving(4.0, 0.0625)},
    TWIST: moving(2.0, 1.0),
}


@pytest.fixture
def recording(bag):
    """Gives a function: a recording with one message on each of these topics."""

    def opened(topics, kind='ros1', values=None, **selection):
        path, writer = bag(kind)
        with writer:
            writer.picture()
            for topic, msgtype in topics.items():
                writer.send(topic, msgtype, START, (values or VALUES)[msgtype], START - 1)
        return open_recording(path, Selection(**selection))

    return opened


def read(recording):
    """Quantity and value of steering and speed."""
    with recording:
        signals = recording.signals()
    return [
        series and (series.quantity, *series.values.tolist())
        for series in (signals.steering, signals.speed)
    ]


@pytest.mark.parametrize('kind', FORMATS)
@pytest.mark.parametrize(
    ('msgtype', 'steering', 'speed'),
    [
        (DBW, ('steering_angle', 0.5), ('speed', 8.0)),
        (AUTOWARE, ('tyre_angle', 0.25), None),
        (OLDER_AUTOWARE, ('tyre_angle', 0.25), None),
        (ACKERMANN, ('tyre_angle', 0.75), ('speed', 3.0)),
        (ACKERMANN_BARE, ('tyre_angle', 0.75), ('speed', 3.0)),
        (VELOCITY, ('yaw_rate', 0.125), ('speed', 7.0)),
        (OLDER_VELOCITY, ('yaw_rate', 0.125), ('speed', 7.0)),
        (ODOMETRY, ('yaw_rate', -0.5), ('speed', 5.0)),
        (TWIST_STAMPED, ('yaw_rate', 0.0625), ('speed', 4.0)),
    ],
)
def test_each_type_is_found_and_read(recording, kind, msgtype, steering, speed):
    opened = recording({'/car': msgtype}, kind)
    assert opened.steering_topic == '/car'
    assert opened.speed_topic == ('/car' if speed else None)
    assert read(opened) == [steering, speed]


def test_other_packages_of_the_same_maker_are_read_alike(bag):
    newest = DEFINITIONS[DBW]['1.2.0']
    others = [name for name in STEERING[0] if 'dbw' in name and name != DBW]
    assert len(others) == 4
    for msgtype in others:
        path, writer = bag('ros1', definitions={msgtype: newest})
        with writer:
            writer.picture()
            writer.send('/wheel', msgtype, START, VALUES[DBW])
        assert read(open_recording(path)) == [('steering_angle', 0.5), ('speed', 8.0)]
        path.unlink()


def test_stamps_come_from_header_from_stamp_or_from_the_receipt(recording):
    opened = recording({'/a': AUTOWARE, '/v': VELOCITY})
    signals = opened.signals()
    assert signals.steering.stamp_ns.tolist() == [START - 1]
    assert signals.speed.stamp_ns.tolist() == [START - 1]
    assert opened.notes == []


def test_a_type_without_stamp_gets_the_time_of_receipt_and_a_note(recording):
    opened = recording({'/car': ACKERMANN_BARE})
    signals = opened.signals()
    opened.signals()
    assert signals.steering.stamp_ns.tolist() == [START]
    assert opened.notes[1:] == ['/car has no stamps: its times of receipt are used']


def test_a_type_that_is_a_command_by_definition_is_noted_unless_it_is_named(recording):
    opened = recording({'/car': ACKERMANN})
    assert opened.notes == [
        f'/car ({ACKERMANN}) says by its definition what was asked of the car, not what it did'
    ]
    assert recording_again(opened, steering='/car').notes == []


# Which topic


def test_reports_come_before_commands_and_yaw_rates(recording):
    everything = {f'/{name.rpartition("/")[2]}_{i}': name for i, name in enumerate(VALUES)}
    rivals = (AUTOWARE, OLDER_AUTOWARE)
    others = {name: msgtype for name, msgtype in everything.items() if msgtype not in rivals}
    assert read(recording(others)) == [('steering_angle', 0.5), ('speed', 8.0)]


@pytest.mark.parametrize(
    ('types', 'steering', 'speed'),
    [
        ((AUTOWARE, VELOCITY, ODOMETRY), ('tyre_angle', 0.25), ('speed', 7.0)),
        ((AUTOWARE, ODOMETRY, TWIST_STAMPED), ('tyre_angle', 0.25), ('speed', 5.0)),
        ((AUTOWARE, TWIST_STAMPED, ACKERMANN), ('tyre_angle', 0.25), ('speed', 4.0)),
        ((AUTOWARE, ACKERMANN), ('tyre_angle', 0.25), ('speed', 3.0)),
        ((ACKERMANN, ODOMETRY), ('tyre_angle', 0.75), ('speed', 5.0)),
        ((VELOCITY, ODOMETRY, TWIST_STAMPED), ('yaw_rate', 0.125), ('speed', 7.0)),
        ((ODOMETRY, TWIST_STAMPED), ('yaw_rate', -0.5), ('speed', 5.0)),
    ],
)
def test_the_order_of_preference(recording, types, steering, speed):
    assert read(recording({f'/t{i}': name for i, name in enumerate(types)})) == [steering, speed]


@pytest.mark.parametrize(
    ('name', 'is_read'),
    [
        ('/cmd_vel', False),
        ('/vehicle/Command', False),
        ('/desired/twist', False),
        ('/controller/reference', False),
        ('/target_twist', False),
        ('/setpoint', False),
        ('/gps/vel', False),
        ('/fix_velocity', False),
        ('/cmdr', True),
        ('/commander', True),
        ('/twist', True),
    ],
)
def test_a_command_or_a_position_is_read_only_where_it_is_named(recording, name, is_read):
    opened = recording({name: TWIST_STAMPED})
    assert (opened.steering_topic == name) is is_read
    if not is_read:
        text = 'no steering was found but what a name calls a command or a position: ' + name
        assert opened.notes == [f'{text}; name it with --steering to read it']
        named = recording_again(opened, steering=name)
        assert read(named) == [('yaw_rate', 0.0625), ('speed', 4.0)]


def recording_again(opened, **selection):
    opened.close()
    return open_recording(opened.path, Selection(**selection))


def test_a_command_of_a_better_type_gives_way_to_a_measurement(recording):
    opened = recording({'/ackermann_cmd': ACKERMANN, '/odom': ODOMETRY})
    assert (opened.steering_topic, opened.speed_topic) == ('/odom', '/odom')
    assert opened.notes == []


def test_a_report_may_be_on_gps_time(recording):
    assert recording({'/gps/odometry': ODOMETRY}).steering_topic == '/gps/odometry'


def test_a_bare_twist_is_read_only_where_it_is_named(recording):
    opened = recording({'/twist': TWIST})
    assert opened.steering_topic is None
    named = recording_again(opened, steering='/twist', speed='/twist')
    assert read(named) == [('yaw_rate', 1.0), ('speed', 2.0)]
    assert named.notes == ['/twist has no stamps: its times of receipt are used']


def test_two_that_qualify_are_an_error_that_names_both(recording):
    two = {'/a/odom': ODOMETRY, '/b/odom': ODOMETRY}
    text = (
        f'must have one topic with steering, got /a/odom ({ODOMETRY}), /b/odom ({ODOMETRY}); '
        'name one with --steering'
    )
    with pytest.raises(BagError, match=re.escape(text)):
        recording(two)


def test_the_speed_is_that_of_the_named_steering(recording):
    two = {'/a/odom': ODOMETRY, '/b/odom': ODOMETRY}
    opened = recording(two, steering='/b/odom')
    assert (opened.steering_topic, opened.speed_topic) == ('/b/odom', '/b/odom')


def test_two_speeds_are_an_error_that_names_both(recording):
    topics = {'/wheel': AUTOWARE, '/v': VELOCITY, '/w': VELOCITY}
    text = (
        f'must have one topic with speed, got /v ({VELOCITY}), /w ({VELOCITY}); '
        'name one with --speed'
    )
    with pytest.raises(BagError, match=re.escape(text)):
        recording(topics)


def test_one_speed_of_two_is_named(recording):
    topics = {'/wheel': AUTOWARE, '/v': VELOCITY, '/w': TWIST_STAMPED}
    opened = recording(topics, speed='/w')
    assert read(opened) == [('tyre_angle', 0.25), ('speed', 4.0)]
    assert (opened.steering_topic, opened.speed_topic) == ('/wheel', '/w')


def test_without_steering_no_speed_is_looked_for(recording):
    opened = recording({'/cmd/a': ODOMETRY, '/v': 'std_msgs/msg/Float32'}, values=PLAIN)
    assert read(opened) == [None, None]


PLAIN = {ODOMETRY: {}, 'std_msgs/msg/Float32': {'data': 1.5}}


def test_a_tolerant_reader_lists_what_cant_be_read(recording):
    two = {'/a/odom': ODOMETRY, '/b/odom': ODOMETRY}
    with pytest.raises(BagError) as error:
        recording(two)
    path = re.match(r'(\S+) must', str(error.value))[1]
    with open_recording(path, tolerant=True) as opened:
        assert opened.problems == [str(error.value)]
        assert (opened.steering_topic, opened.speed_topic) == (None, None)
        assert len(list(opened.images())) == 1


# Any field of any type


@pytest.mark.parametrize(
    ('unit', 'quantity', 'value'),
    [
        ('rad', 'steering_angle', 90.0),
        ('deg', 'steering_angle', math.pi / 2),
        ('tyre_rad', 'tyre_angle', 90.0),
        ('tyre_deg', 'tyre_angle', math.pi / 2),
        ('rad/s', 'yaw_rate', 90.0),
        ('deg/s', 'yaw_rate', math.pi / 2),
        ('1/m', 'curvature', 90.0),
        ('m', 'curvature', 1 / 90),
        ('deg_right', 'steering_angle', -math.pi / 2),
        ('m_right', 'curvature', -1 / 90),
    ],
)
def test_a_field_in_a_unit(recording, unit, quantity, value):
    number = {'std_msgs/msg/Float32': {'data': 90.0}}
    topics = {'/angle': 'std_msgs/msg/Float32'}
    opened = recording(topics, values=number, steering='/angle:data', unit=unit)
    (found, was), speed = read(opened)
    assert (found, speed) == (quantity, None)
    assert was == pytest.approx(value)


@pytest.mark.parametrize(('unit', 'value'), [(None, 36), ('m/s', 36), ('km/h', 10), ('mph', 16.1)])
def test_a_speed_in_a_unit(recording, unit, value):
    topics = {'/wheel': AUTOWARE, '/speed': 'std_msgs/msg/Float32'}
    values = VALUES | {'std_msgs/msg/Float32': {'data': 36.0}}
    opened = recording(topics, values=values, speed='/speed:data', speed_unit=unit)
    assert read(opened)[1][1] == pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize('kind', FORMATS)
@pytest.mark.parametrize('field', ['position[1]', 'position.1'])
def test_an_element_of_an_array(recording, kind, field):
    joints = 'sensor_msgs/msg/JointState'
    values = {joints: {'name': ['a', 'b'], 'position': [0.5, 0.75]}}
    opened = recording(
        {'/joints': joints}, kind, values, steering=f'/joints:{field}', unit='tyre_rad'
    )
    assert read(opened) == [('tyre_angle', 0.75), None]
    assert opened.signals().steering.stamp_ns.tolist() == [START - 1]


def test_a_unit_overrules_what_a_type_means(recording):
    opened = recording({'/wheel': DBW}, steering='/wheel', unit='deg_right')
    assert read(opened)[0] == ('steering_angle', pytest.approx(-0.5 * math.pi / 180))
    again = recording_again(opened, steering='/wheel:steering_wheel_angle', speed_unit=None)
    assert read(again) == [('steering_angle', 0.5), ('speed', 8.0)]
    again = recording_again(opened, steering='/wheel', speed='/wheel', speed_unit='km/h')
    assert read(again)[1] == ('speed', pytest.approx(8 / 3.6))


@pytest.mark.parametrize(
    ('selection', 'text'),
    [
        (
            {'steering': '/no'},
            '--steering must be a topic with messages in {path}, got /no; there',
        ),
        ({'speed': '/no:a'}, '--speed must be a topic with messages in {path}, got /no; there'),
        (
            {'steering': '/number', 'unit': 'deg'},
            (
                '--steering must name a field, as in /number:FIELD, got /number '
                '(std_msgs/msg/Float32); there are data'
            ),
        ),
        (
            {'steering': '/number:date', 'unit': 'deg'},
            (
                '--steering must be a field of /number (std_msgs/msg/Float32) that holds a '
                'number, got date; there are data'
            ),
        ),
        (
            {'steering': '/wheel:header', 'unit': 'deg'},
            'that holds a number, got header; there are header.seq, header.stamp.sec',
        ),
        (
            {'steering': '/wheel:speed'},
            (
                '--unit must be given for --steering /wheel:speed: one of rad, deg, tyre_rad, '
                'tyre_deg, rad/s, deg/s, 1/m, m, got none'
            ),
        ),
        ({'steering': '/wheel:a b'}, '--steering /wheel:a b: field must be names with dots'),
        (
            {'steering': '/number:data', 'unit': 'turns'},
            (
                '--unit must be one of rad, deg, tyre_rad, tyre_deg, rad/s, deg/s, 1/m, m, or one '
                "of them with _right where right is positive, got 'turns'"
            ),
        ),
        ({'unit': 'deg'}, '--unit must go with --steering, got deg alone'),
        ({'speed_unit': 'mph'}, '--speed-unit must go with --speed, got mph alone'),
        (
            {'speed': '/number:data', 'speed_unit': 'knots'},
            "--speed-unit must be one of m/s, km/h, mph, got 'knots'",
        ),
    ],
)
def test_a_selection_that_cant_be_read(recording, selection, text):
    topics = {'/number': 'std_msgs/msg/Float32', '/wheel': DBW}
    values = VALUES | {'std_msgs/msg/Float32': {'data': 1.0}}
    opened = recording(topics, values=values)
    text = re.escape(text.format(path=opened.path))
    with pytest.raises(BagError, match=text):
        recording_again(opened, **selection)


def test_a_definition_without_the_wheel_is_named(bag):
    path, writer = bag(definitions={DBW: 'std_msgs/Header header\nfloat32 angle'})
    with writer:
        writer.picture()
        writer.send('/wheel', DBW, START, {'angle': 0.5})
    text = f'/wheel ({DBW}) must have the field steering_wheel_angle, got a definition without it'
    with pytest.raises(BagError, match=re.escape(text)):
        open_recording(path)
    named = open_recording(path, Selection(steering='/wheel:angle', unit='rad'))
    assert read(named) == [('steering_angle', 0.5), None]


# Damage


def test_a_message_that_cant_be_read_is_lost_alone(bag):
    path, writer = bag()
    joints = 'sensor_msgs/msg/JointState'
    with writer:
        writer.picture()
        for i, position in enumerate(([0.5], [], [0.25])):
            writer.send('/joints', joints, START + i, {'position': position})
        writer.send('/joints', joints, START + 3, b'short')
    chosen = {'steering': '/joints:position[0]', 'unit': 'rad'}
    with open_recording(path, Selection(**chosen)) as opened:
        for _ in range(2):
            series = opened.signals().steering
        assert series.values.tolist() == [0.5, 0.25]
        assert series.stamp_ns.tolist() == [START, START + 2]
        assert [lost.where for lost in opened.damage] == [
            f'/joints at {START + 1} ns',
            f'/joints at {START + 3} ns',
        ]
        assert 'must be a readable sensor_msgs/msg/JointState, got IndexError' in (
            opened.damage[0].what
        )
    strict = Selection(**chosen, strict=True)
    text = f'^{path}: /joints at {START + 1} ns must be a readable sensor_msgs/msg/JointState, got'
    with open_recording(path, strict) as opened, pytest.raises(BagError, match=text):
        opened.signals()


def test_a_topic_of_which_nothing_can_be_read_is_an_error(bag):
    path, writer = bag()
    with writer:
        writer.picture()
        writer.send('/wheel', DBW, START, b'short')
        writer.send('/wheel', DBW, START + 1, b'short')
    text = f'^{path}: /wheel at {START} ns must be a readable {DBW}, got '
    with open_recording(path) as opened, pytest.raises(BagError, match=text):
        opened.signals()


def test_values_keep_nan_infinity_and_stamps_that_go_backwards(bag):
    path, writer = bag()
    with writer:
        writer.picture()
        for i, angle in enumerate((math.nan, math.inf, 0.5)):
            values = {'steering_wheel_angle': angle, 'speed': 1.0}
            writer.send('/wheel', DBW, START + i, values, START - i)
    with open_recording(path) as opened:
        series = opened.signals().steering
    np.testing.assert_array_equal(series.values, [np.nan, np.inf, 0.5])
    assert series.stamp_ns.tolist() == [START, START - 1, START - 2]
