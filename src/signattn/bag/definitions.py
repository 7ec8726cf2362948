"""Message definitions that rosbags has not, as text, with their history.

They are the interfaces that others have published; here they stand without their comments, with
the unit where the definition names one.
"""

_STEERING_ANGLES = """\
std_msgs/Header header
float32 steering_wheel_angle
float32 steering_wheel_angle_cmd
float32 steering_wheel_torque
float32 speed
bool enabled
bool override
"""

STEERING_REPORT = f"""\
{_STEERING_ANGLES}bool driver
bool fault_wdc
bool fault_bus1
bool fault_bus2
bool fault_calibration
bool fault_connector
"""
"""dbw_mkz_msgs/SteeringReport as the Udacity car used it in 2016: rad, rad, Nm, m/s, flags."""

_STEERING_REPORT_1_0_7 = f"""\
{_STEERING_ANGLES}bool timeout
bool fault_wdc
bool fault_bus1
bool fault_bus2
bool fault_calibration
"""

# The command may be a torque since then, which its type tells; all that follows moves.
_STEERING_REPORT_1_2_0 = """\
std_msgs/Header header
float32 steering_wheel_angle
float32 steering_wheel_cmd
float32 steering_wheel_torque
uint8 steering_wheel_cmd_type
float32 speed
bool enabled
bool override
bool timeout
bool fault_wdc
bool fault_bus1
bool fault_bus2
bool fault_calibration
bool fault_power
"""

# rad, rad/s, m/s, m/s², m/s³
_ACKERMANN_DRIVE = """\
float32 steering_angle
float32 steering_angle_velocity
float32 speed
float32 acceleration
float32 jerk
"""

_ACKERMANN_DRIVE_STAMPED = """\
std_msgs/Header header
ackermann_msgs/AckermannDrive drive
"""

# rad at the tyre, left positive
_AUTOWARE_STEERING_REPORT = """\
builtin_interfaces/Time stamp
float32 steering_tire_angle
"""

# m/s forward, m/s to the left, rad/s counter-clockwise
_AUTOWARE_VELOCITY_REPORT = """\
std_msgs/Header header
float32 longitudinal_velocity
float32 lateral_velocity
float32 heading_rate
"""

DEFINITIONS: dict[str, dict[str, str]] = {
    # Dataspeed, dbw_mkz_ros and dbw_ros, BSD licence: the history of SteeringReport.msg.
    'dbw_mkz_msgs/msg/SteeringReport': {
        '1.0.0': STEERING_REPORT,
        '1.0.7': _STEERING_REPORT_1_0_7,
        '1.0.12': f'{_STEERING_REPORT_1_0_7}bool fault_power\n',
        '1.2.0': _STEERING_REPORT_1_2_0,
    },
    # ros-drivers, ackermann_msgs, BSD licence.
    'ackermann_msgs/msg/AckermannDrive': {'1.0.0': _ACKERMANN_DRIVE},
    'ackermann_msgs/msg/AckermannDriveStamped': {'1.0.0': _ACKERMANN_DRIVE_STAMPED},
    # Autoware Foundation, autoware_msgs and autoware_auto_msgs, Apache License 2.0.
    'autoware_vehicle_msgs/msg/SteeringReport': {'1.0.0': _AUTOWARE_STEERING_REPORT},
    'autoware_vehicle_msgs/msg/VelocityReport': {'1.0.0': _AUTOWARE_VELOCITY_REPORT},
    'autoware_auto_vehicle_msgs/msg/SteeringReport': {'1.0.0': _AUTOWARE_STEERING_REPORT},
    'autoware_auto_vehicle_msgs/msg/VelocityReport': {'1.0.0': _AUTOWARE_VELOCITY_REPORT},
}
"""Texts by type and by the version of the package that brought them."""
