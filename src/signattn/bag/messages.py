"""Message definitions: those that bags bring along, and others where they bring none."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Literal

from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat, Nodetype
from rosbags.interfaces.typing import Typesdict
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from signattn.bag.definitions import DEFINITIONS, STEERING_REPORT

COMPRESSED = 'sensor_msgs/msg/CompressedImage'
RAW = 'sensor_msgs/msg/Image'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
STEERING = 'dbw_mkz_msgs/msg/SteeringReport'

_IDL_FILE = '=' * 80 + '\nIDL: '


class DefinitionError(ValueError):
    """A message whose definition isn't known."""


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
        definition: Text with all nested types.

    Returns:
        The bag's own types.

    Raises:
        Exception: What rosbags raises on text that is no definition.
    """
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


def is_defined(definition: MessageDefinition) -> bool:
    """Whether the bag holds a definition; ROS 2 bags from before Iron hold none."""
    return definition.format != MessageDefinitionFormat.NONE


def undefined_types(msgtype: str, data: bytes, msg_path: Path | None) -> tuple[Typestore, str]:
    """Types for a message whose bag holds no definition.

    Args:
        msgtype: Its type.
        data: The message, CDR.
        msg_path: Folder with .msg files, which win.

    Returns:
        The types, and whose they are.

    Raises:
        DefinitionError: If nobody defines the type, or no version that is known fits the message.
        Exception: What rosbags raises on a .msg file that is no definition.
    """
    if msg_path and (file := _file(msg_path, msgtype)):
        return _folder_types(msg_path, msgtype), str(file)
    if msgtype not in DEFINITIONS:
        if msgtype in own_types(2).fielddefs:
            return own_types(2), 'ROS 2 Jazzy'
        raise DefinitionError(f'no definition of it; {_MSG_PATH}')
    # Versions that fit the same message differ only behind the fields that are read.
    for version, text in DEFINITIONS[msgtype].items():
        typestore = _version_types(msgtype, text)
        if _fits(typestore, msgtype, data):
            return typestore, f'{msgtype.partition("/")[0]} {version}, which fits its length'
    versions = ', '.join(DEFINITIONS[msgtype])
    raise DefinitionError(
        f'{len(data)} bytes, which fit no known version ({versions}); {_MSG_PATH}'
    )


_MSG_PATH = 'name a folder with its .msg file with --msg-path'


@lru_cache
def _version_types(msgtype: str, text: str) -> Typestore:
    typestore = get_typestore(Stores.ROS2_JAZZY)
    for nested, versions in DEFINITIONS.items():
        if nested != msgtype:
            typestore.register(get_types_from_msg(next(iter(versions.values())), nested))
    typestore.register(get_types_from_msg(text, msgtype))
    return typestore


def _fits(typestore: Typestore, msgtype: str, data: bytes) -> bool:
    try:
        typestore.deserialize_cdr(data, msgtype)
    except Exception:  # noqa: BLE001 (any failure says that the definition is another)
        return False
    return True


def _file(folder: Path, msgtype: str) -> Path | None:
    """The .msg file of a type: PKG/msg/NAME.msg, or simply NAME.msg."""
    package, _, name = msgtype.split('/')
    places = (folder / package / 'msg', folder / 'msg', folder)
    files = [place / f'{name}.msg' for place in places]
    return next((file for file in files if file.is_file()), None)


@lru_cache
def _folder_types(folder: Path, msgtype: str) -> Typestore:
    """A type from its .msg file, with all that it names, from there or ours."""
    ours = own_types(2).fielddefs | _version_types(STEERING, STEERING_REPORT).fielddefs
    found: Typesdict = {}
    wanted = [msgtype]
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        if file := _file(folder, name):
            text = file.read_text(encoding='utf-8', errors='replace')
            found |= get_types_from_msg(text, name)
        elif name in ours:
            found[name] = ours[name]
        else:
            raise DefinitionError(f'{name} without a definition; {_MSG_PATH}')
        wanted += [nested for _, field in found[name][1] for nested in _names(field)]
    typestore = get_typestore(Stores.EMPTY)
    typestore.register(found)
    return typestore


def _names(field: object) -> list[str]:
    """Types that a field's description names."""
    match field:
        case (Nodetype.NAME, str(name)):
            return [name]
        case (Nodetype.ARRAY | Nodetype.SEQUENCE, (inner, _)):
            return _names(inner)
    return []
