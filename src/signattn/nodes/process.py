"""A node as a process: start, work, end, exit status."""

import contextlib
import signal
from collections.abc import Callable
from typing import TypeVar

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.utilities import try_shutdown

AnyNode = TypeVar('AnyNode', bound=Node)
SIGNALS = signal.SIGINT, signal.SIGTERM


class NodeError(RuntimeError):
    """A node that can't do its work; the text says why."""


_FORESEEN = (ParameterException, NodeError, ValueError, OSError)


class _Interruption:
    """SIGINT and SIGTERM interrupt what goes on, once: they often come twice, from launch too.

    rclpy, which handles them besides and shuts down, passes them on to this.

    Attributes:
        came: Whether one came.
        welcome: Whether it may interrupt.
    """

    def __init__(self) -> None:
        self.came = False
        self.welcome = True
        for number in SIGNALS:
            signal.signal(number, self._on_signal)

    def _on_signal(self, *_: object) -> None:
        self.came = True
        if self.welcome:
            self.welcome = False
            raise KeyboardInterrupt


def run(
    name: str,
    make: Callable[[], AnyNode],
    work: Callable[[AnyNode], None] = rclpy.spin,
    args: list[str] | None = None,
) -> int:
    """Run a node until its work is done or it's told to stop: as a whole process, to its end.

    Args:
        name: For the log.
        make: Makes the node.
        work: What it does.
        args: Command line; the process's own by default.

    Returns:
        Exit status: 0, or 1 if the node couldn't start or do its work; the reason was logged.
    """
    interruption = _Interruption()
    node, status = None, 0
    try:
        rclpy.init(args=args)
        node = make()
        work(node)
        interruption.welcome = False
    except (KeyboardInterrupt, ExternalShutdownException):
        interruption.welcome = False
    except Exception as error:
        interruption.welcome = False
        if isinstance(error, _FORESEEN) and not interruption.came:
            get_logger(name).fatal(str(error))
            status = 1
        elif not interruption.came:  # else rclpy is shut down, and what needs it fails
            raise
    finally:
        interruption.welcome = False
        # Python takes its own handlers back before it ends; what is ignored stays so.
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        if node is not None:
            node.destroy_node()
        with contextlib.suppress(RuntimeError):  # a thread of rclpy may be at it, after a signal
            try_shutdown()
    return status
