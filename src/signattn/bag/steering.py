"""Where a bag says how the car turns, and how fast it goes."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from signattn.bag import fields
from signattn.bag.recording import BagError, Quantity, Topic
from signattn.bag.selection import Selection
from signattn.bag.units import STEERING_UNITS, Measure, speed_unit, steering_unit

COMMANDS = frozenset({'cmd', 'command', 'desired', 'reference', 'setpoint', 'target'})
"""Words in the name of a topic that is no measurement; it is read only where it is named."""
POSITIONING = frozenset({'fix', 'gnss', 'gps', 'navsat'})
"""Likewise of a twist: such a velocity is towards east and north, not ahead."""

_DATASPEED = ('dbw_mkz', 'dbw_ford', 'dbw_fca', 'dbw_polaris', 'dataspeed_dbw')
_AUTOWARE = ('autoware_vehicle', 'autoware_auto_vehicle')
_REPORTS = [f'{package}_msgs/msg/SteeringReport' for package in _DATASPEED]
_TYRE_REPORTS = [f'{package}_msgs/msg/SteeringReport' for package in _AUTOWARE]
_VELOCITIES = [f'{package}_msgs/msg/VelocityReport' for package in _AUTOWARE]
ODOMETRY = 'nav_msgs/msg/Odometry'
TWIST_STAMPED = 'geometry_msgs/msg/TwistStamped'
_ACKERMANN = 'ackermann_msgs/msg/AckermannDriveStamped'
_ACKERMANN_BARE = 'ackermann_msgs/msg/AckermannDrive'

Known = dict[str, tuple[str, Quantity]]
"""Field and quantity by message type."""

STEERING: tuple[Known, ...] = (
    dict.fromkeys(_REPORTS, ('steering_wheel_angle', 'steering_angle'))
    | dict.fromkeys(_TYRE_REPORTS, ('steering_tire_angle', 'tyre_angle')),
    {
        _ACKERMANN: ('drive.steering_angle', 'tyre_angle'),
        _ACKERMANN_BARE: ('steering_angle', 'tyre_angle'),
    },
    dict.fromkeys(_VELOCITIES, ('heading_rate', 'yaw_rate')),
    {ODOMETRY: ('twist.twist.angular.z', 'yaw_rate')},
    {TWIST_STAMPED: ('twist.angular.z', 'yaw_rate')},
)
"""What is looked for, the best first."""

SPEED: tuple[Known, ...] = (
    dict.fromkeys(_REPORTS, ('speed', 'speed')),
    dict.fromkeys(_VELOCITIES, ('longitudinal_velocity', 'speed')),
    {ODOMETRY: ('twist.twist.linear.x', 'speed')},
    {TWIST_STAMPED: ('twist.linear.x', 'speed')},
    {_ACKERMANN: ('drive.speed', 'speed'), _ACKERMANN_BARE: ('speed', 'speed')},
)
"""Likewise; the topic of the steering comes before the others, unless it is a command by type."""

_TWIST = 'geometry_msgs/msg/Twist'
NAMED_STEERING: Known = {_TWIST: ('angular.z', 'yaw_rate')}
NAMED_SPEED: Known = {_TWIST: ('linear.x', 'speed')}
"""What is read only where it is named: it has no stamp, and is a command as a rule."""


@dataclass(frozen=True)
class Source:
    """A field of a topic that is read.

    Attributes:
        topic: Its name.
        type: Its message type.
        path: The field.
        measure: What its numbers mean.
    """

    topic: str
    type: str
    path: fields.Path
    measure: Measure


class Finder:
    """Finds steering and speed among a bag's topics, by name or by type.

    Attributes:
        notes: What a user should know about the choice.
    """

    def __init__(
        self,
        path: Path,
        topics: Collection[Topic],
        numbers: Callable[[Topic], Collection[str] | None],
    ) -> None:
        """Look at a bag.

        Args:
            path: The bag, for errors.
            topics: Everything in it.
            numbers: Gives names of all fields of a topic that hold numbers; None if unknown.
        """
        self.notes: list[str] = []
        self._path = path
        self._topics = [topic for topic in topics if topic.count]
        self._numbers = numbers

    def steering(self, selection: Selection) -> Source | None:
        """Where the turn of the car stands.

        Raises:
            BagError: If several topics qualify, or a named one can't be read as asked.
        """
        if selection.steering is None:
            if selection.unit is not None:
                raise BagError(f'--unit must go with --steering, got {selection.unit} alone')
            found = self._found('steering', STEERING)
            if found and found.type in (_ACKERMANN, _ACKERMANN_BARE):
                self.notes.append(
                    f'{found.topic} ({found.type}) says by its definition what was asked of the '
                    'car, not what it did'
                )
            return found
        unit = None if selection.unit is None else steering_unit(selection.unit)
        topic, path, quantity = self._named(
            'steering', selection.steering, _merged(STEERING) | NAMED_STEERING
        )
        if unit is None and quantity is None:
            raise BagError(
                f'--unit must be given for --steering {selection.steering}: one of '
                f'{", ".join(STEERING_UNITS)}, got none'
            )
        return Source(topic.name, topic.type, path, unit or Measure(quantity or 'speed'))

    def speed(self, selection: Selection, steering: Source | None) -> Source | None:
        """Where the speed of the car stands.

        Args:
            selection: What is named.
            steering: Where the turn stands; without it nothing is found by type.

        Raises:
            BagError: If several topics qualify, or a named one can't be read as asked.
        """
        if selection.speed is None:
            if selection.speed_unit is not None:
                raise BagError(
                    f'--speed-unit must go with --speed, got {selection.speed_unit} alone'
                )
            return steering and (self._beside(steering) or self._found('speed', SPEED))
        topic, path, _ = self._named('speed', selection.speed, _merged(SPEED) | NAMED_SPEED)
        return Source(topic.name, topic.type, path, speed_unit(selection.speed_unit))

    def _found(self, what: str, levels: Collection[Known]) -> Source | None:
        commands: list[Topic] = []
        for known in levels:
            found: list[Topic] = []
            for topic in self._with(known):
                (found if _is_measured(topic) else commands).append(topic)
            if len(found) > 1:
                raise BagError(
                    f'{self._path} must have one topic with {what}, '
                    f'got {", ".join(f"{t.name} ({t.type})" for t in found)}; '
                    f'name one with --{what}'
                )
            if found:
                return self._source(found[0], known)
        if commands:
            names = ', '.join(topic.name for topic in commands)
            self.notes.append(
                f'no {what} was found but what a name calls a command or a position: {names}; '
                f'name it with --{what} to read it'
            )
        return None

    def _with(self, known: Known) -> list[Topic]:
        """Topics of these types, but for speed in a version of the type that hasn't it."""
        return [
            topic
            for topic in self._topics
            if topic.type in known
            and (known[topic.type][1] != 'speed' or self._has(topic, _usual(topic, known)))
        ]

    def _beside(self, steering: Source) -> Source | None:
        """Speed in the messages that hold the steering."""
        for known in SPEED[:-1]:
            for topic in self._with(known):
                if (topic.name, topic.type) == (steering.topic, steering.type):
                    return self._source(topic, known)
        return None

    def _named(
        self, what: str, text: str, known: Known
    ) -> tuple[Topic, fields.Path, Quantity | None]:
        """Topic and field that a user names, and what its numbers mean if its type says so."""
        name, _, field = text.partition(':')
        topics = [topic for topic in self._topics if topic.name == name]
        if not topics:
            listed = ', '.join(f'{t.name} ({t.type})' for t in self._topics) or 'no messages'
            raise BagError(
                f'--{what} must be a topic with messages in {self._path}, got {name}; '
                f'there are {listed}'
            )
        topic = next((topic for topic in topics if topic.type in known), topics[0])
        usual, quantity = known.get(topic.type, ('', None))
        if not (field or usual):
            raise BagError(
                f'--{what} must name a field, as in {name}:FIELD, got {name} ({topic.type})'
                f'{self._listed(topic)}'
            )
        try:
            path = fields.field_path(field or usual)
        except ValueError as error:
            raise BagError(f'--{what} {text}: {error}') from error
        if not self._has(topic, path):
            raise BagError(
                f'--{what} must be a field of {name} ({topic.type}) that holds a number, '
                f'got {field or usual}{self._listed(topic)}'
            )
        is_usual = bool(usual) and path == fields.field_path(usual)
        return topic, path, quantity if is_usual else None

    def _source(self, topic: Topic, known: Known) -> Source:
        path = _usual(topic, known)
        if not self._has(topic, path):
            raise BagError(
                f'{self._path}: {topic.name} ({topic.type}) must have the field '
                f'{known[topic.type][0]}, got a definition without it{self._listed(topic)}'
            )
        return Source(topic.name, topic.type, path, Measure(known[topic.type][1]))

    def _has(self, topic: Topic, path: fields.Path) -> bool:
        numbers = self._numbers(topic)
        return numbers is None or fields.first_of(path) in numbers

    def _listed(self, topic: Topic) -> str:
        numbers = list(self._numbers(topic) or [])
        more = ', …' if len(numbers) > _LISTED else ''
        return f'; there are {", ".join(numbers[:_LISTED])}{more}' if numbers else ''


_LISTED = 20


def _merged(levels: Collection[Known]) -> Known:
    return {msgtype: field for known in levels for msgtype, field in known.items()}


def _usual(topic: Topic, known: Known) -> fields.Path:
    return fields.field_path(known[topic.type][0])


def _is_measured(topic: Topic) -> bool:
    words = set(re.findall(r'[a-z]+', topic.name.lower()))
    is_position = topic.type == TWIST_STAMPED and words & POSITIONING
    return not (words & COMMANDS or is_position)
