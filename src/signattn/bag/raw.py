"""What the files of a bag hold, whatever their format: connections, and messages undecoded."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat

MAX_BYTES = 2**29
"""The most that is unpacked at once: a larger size, of chunk or message, is a damaged one."""
NO_DEFINITION = MessageDefinition(MessageDefinitionFormat.NONE, '')

Message = tuple[int, int, bytes]
"""Id of its connection, ns when it was received, and its data."""


@dataclass(frozen=True)
class Connection:
    """A topic in one file, or a part of it.

    Attributes:
        id: Number in that file.
        topic: Its topic.
        type: Message type such as ``sensor_msgs/msg/Image``.
        definition: The type's definition as the file holds it; empty where it holds none.
        serialization: How its messages are stored.
        count: Messages in the file, as far as is known.
    """

    id: int
    topic: str
    type: str
    definition: MessageDefinition
    serialization: Literal['ros1', 'cdr']
    count: int


class Report(Protocol):
    """Takes what a user should know."""

    def note(self, text: str) -> None:
        """Leave a remark."""

    def lose(self, where: str, what: str) -> None:
        """Go on without something that can't be read, or raise a BagError."""


class StorageFile(Protocol):
    """One file of a bag."""

    @property
    def connections(self) -> list[Connection]:
        """Everything in it."""

    @property
    def start_ns(self) -> int:
        """Ns, of its first message."""

    def messages(self, ids: set[int]) -> Iterator[Message]:
        """Messages of some connections in the order in which they were received."""


def full_name(name: str) -> str:
    """Name of a message type as ROS 2 has it: with ``msg``."""
    package, slash, rest = name.partition('/')
    return f'{package}/msg/{rest}' if slash and '/' not in rest else name


def reason(error: Exception) -> str:
    """What an error says; with its kind where that isn't one of ours."""
    text = str(error)
    kind = type(error).__name__
    if not text:
        return kind
    return text if isinstance(error, ValueError) else f'{kind}: {text}'


def report_unnamed(
    counts: Mapping[int, int], known: Container[int], name: str, report: Report
) -> None:
    """Report the messages of connections that a file does not describe."""
    if unnamed := sum(count for number, count in counts.items() if number not in known):
        where = f'{name} connections'.strip()
        report.lose(where, f'must be described, got {unnamed} messages of others')
