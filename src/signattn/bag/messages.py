"""Message definitions: those that bags bring along, and ours where they bring none."""

import re
from functools import lru_cache
from typing import Literal

from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

COMPRESSED = 'sensor_msgs/msg/CompressedImage'
RAW = 'sensor_msgs/msg/Image'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
STEERING = 'dbw_mkz_msgs/msg/SteeringReport'

STEERING_REPORT = """\
std_msgs/Header header
float32 steering_wheel_angle
float32 steering_wheel_angle_cmd
float32 steering_wheel_torque
float32 speed
bool enabled
bool override
bool driver
bool fault_wdc
bool fault_bus1
bool fault_bus2
bool fault_calibration
bool fault_connector
"""
"""dbw_mkz_msgs/SteeringReport as the Udacity car used it in 2016: rad, rad, Nm, m/s, flags."""

_IDL_FILE = '=' * 80 + '\nIDL: '


@lru_cache
def own_types(ros: Literal[1, 2]) -> Typestore:
    """Standard messages of ROS Noetic or Jazzy, and the SteeringReport of 2016."""
    typestore = get_typestore(Stores.ROS1_NOETIC if ros == 1 else Stores.ROS2_JAZZY)
    typestore.register(get_types_from_msg(STEERING_REPORT, STEERING))
    return typestore


@lru_cache
def bag_types(msgtype: str, definition: MessageDefinition) -> Typestore:
    """Types as a bag defines them.

    Args:
        msgtype: Type that the definition is for.
        definition: Text with all nested types; empty in ROS 2 bags from before Iron.

    Returns:
        The bag's own types, or ours where it has none.

    Raises:
        Exception: What rosbags raises on text that is no definition.
    """
    if definition.format == MessageDefinitionFormat.NONE:
        return own_types(2)
    typestore = get_typestore(Stores.EMPTY)
    if definition.format == MessageDefinitionFormat.MSG:
        typestore.register(get_types_from_msg(definition.data, msgtype))
        return typestore
    # Several IDL files in one text are set apart by a line that names the next.
    _, *files = ('\n' + definition.data).split('\n' + _IDL_FILE)
    for text in [file.partition('\n')[2] for file in files] or [definition.data]:
        # rosbags has no preprocessor; what an #include names follows in this definition.
        typestore.register(get_types_from_idl(re.sub(r'(?m)^\s*#.*$', '', text)))
    return typestore
