"""Parameters of a node as a table: default, unit, range, and the refusal of anything else."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from signattn.share import unknown_key

Value = bool | int | float | str

_ROS_OWN = ('use_sim_time', 'start_type_description_service', 'qos_overrides.')

NAMES = frozenset(
    (
        *('autostart', 'model', 'device', 'threads', 'image_transport', 'max_age', 'max_gap'),
        *('publish_ackermann', 'limit_curvature', 'max_tyre_angle', 'max_lateral_acceleration'),
        *('limit_rate', 'max_curvature_rate', 'stale_after', 'error_after', 'warn_rate'),
        *('warn_aspect', 'warn_latency', 'backend', 'weights'),
        *('path_length', 'publish_cmd', 'cmd_speed', 'vehicle', 'assume_speed', 'speed_type'),
        *('strength', 'max_width', 'source', 'image_topic', 'mode', 'rate', 'rate_hz', 'timeout'),
        *('resends', 'wait', 'settle', 'out', 'camera_height', 'camera_fov_deg'),
        *('camera_pitch_deg', 'camera_yaw_deg', 'camera_x', 'camera_y', 'camera_hz'),
        *('loop', 'start', 'paused', 'clock_hz'),
        *('steering', 'unit', 'speed', 'speed_unit', 'msg_path'),
    )
)
"""Parameters of all nodes: a file may give them to each of them, under /**."""


@dataclass(frozen=True)
class NodeParameter:
    """One parameter.

    Attributes:
        name: Its name.
        default: Its value where none is given; decides the type.
        description: What it does, with the unit.
        lower: Smallest value of a number.
        upper: Largest value of a number.
        choices: The values that a string may have; empty for any.
        live: Whether it may be changed while the node runs.
    """

    name: str
    default: Value
    description: str
    lower: float = -math.inf
    upper: float = math.inf
    choices: tuple[str, ...] = ()
    live: bool = False

    def descriptor(self) -> ParameterDescriptor:
        """What ``ros2 param describe`` shows."""
        described = ParameterDescriptor(
            description=self.description,
            read_only=not self.live,
            # An integer for a number would end the node if the type were fixed.
            dynamic_typing=isinstance(self.default, float),
        )
        if self.choices:
            described.additional_constraints = 'one of ' + ', '.join(self.choices)
        if isinstance(self.default, float) and math.isfinite(self.lower + self.upper):
            limits = FloatingPointRange(from_value=self.lower, to_value=self.upper)
            described.floating_point_range = [limits]
        if type(self.default) is int and math.isfinite(self.lower + self.upper):
            whole = IntegerRange(from_value=int(self.lower), to_value=int(self.upper), step=1)
            described.integer_range = [whole]
        return described

    def refusal(self, value: object) -> str:
        """Why a value can't be taken; empty if it can.

        Args:
            value: What was given.

        Returns:
            A sentence, or nothing.
        """
        if isinstance(self.default, float) or type(self.default) is int:
            wanted = (float, int) if isinstance(self.default, float) else (int,)
            if type(value) not in wanted or not self.lower <= value <= self.upper:  # type: ignore[operator]
                return f'{self.name} must be a number in {self._interval()}, got {value!r}'
        elif self.choices and value not in self.choices:
            return f'{self.name} must be one of {", ".join(self.choices)}, got {value!r}'
        return ''

    def row(self) -> str:
        """The parameter as a row of the table in docs/ros.md."""
        default = str(self.default).lower() if isinstance(self.default, bool) else self.default
        allowed = ', '.join(self.choices)
        if type(self.default) in (int, float):
            allowed = self._interval()
        live = 'yes' if self.live else 'no'
        shown = f'`{default}`' if default != '' else 'empty'
        return f'| `{self.name}` | {shown} | {allowed} | {live} | {self.description} |'

    def _interval(self) -> str:
        return f'[{self.lower:g}, {self.upper:g}]'


IMAGE_TRANSPORT = NodeParameter(
    'image_transport',
    'raw',
    'raw: the topic image. compressed: the resolved name of image + /compressed.',
    choices=('raw', 'compressed'),
)
"""Of the nodes that see the camera's images."""


def declare(node: Node, parameters: Sequence[NodeParameter]) -> None:
    """Declare parameters, guard them from now on, and refuse names that nobody knows.

    Args:
        node: The node.
        parameters: Its parameters.

    Raises:
        ParameterException: If a value given at start has the wrong type or lies outside its range.
        ValueError: If a name given at start belongs to none of the nodes.
    """
    known = {parameter.name: parameter for parameter in parameters}

    def check(changes: list[Parameter]) -> SetParametersResult:
        refusals = [known[c.name].refusal(c.value) for c in changes if c.name in known]
        reason = next(filter(None, refusals), '')
        return SetParametersResult(successful=not reason, reason=reason)

    node.add_on_set_parameters_callback(check)
    for parameter in parameters:
        node.declare_parameter(parameter.name, parameter.default, parameter.descriptor())
    # rclpy passes over names that aren't declared: a misspelt one would leave its default.
    for name in getattr(node, '_parameter_overrides', {}):
        if name not in NAMES | known.keys() and not name.startswith(_ROS_OWN):
            raise ValueError(f'parameter: {unknown_key(name, list(known))}')


def number(node: Node, name: str) -> float:
    """Value of a number, whether an integer was typed or not."""
    return float(node.get_parameter(name).value)


def flag(node: Node, name: str) -> bool:
    """Value of a switch."""
    return bool(node.get_parameter(name).value)


def text(node: Node, name: str) -> str:
    """Value of a string."""
    return str(node.get_parameter(name).value)
