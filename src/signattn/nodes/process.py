"""A node as a process: start, work, end, exit status."""

from collections.abc import Callable
from typing import TypeVar

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.utilities import try_shutdown

AnyNode = TypeVar('AnyNode', bound=Node)


class NodeError(RuntimeError):
    """A node that can't do its work; the text says why."""


def run(
    name: str,
    make: Callable[[], AnyNode],
    work: Callable[[AnyNode], None] = rclpy.spin,
    args: list[str] | None = None,
) -> int:
    """Run a node until its work is done or it's told to stop.

    Args:
        name: For the log.
        make: Makes the node.
        work: What it does.
        args: Command line; the process's own by default.

    Returns:
        Exit status: 0, or 1 if the node couldn't start or do its work; the reason was logged.
    """
    rclpy.init(args=args)
    node = None
    try:
        node = make()
        work(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (ParameterException, NodeError, ValueError, OSError) as error:
        get_logger(name).fatal(str(error))
        return 1
    finally:
        if node is not None:
            node.destroy_node()
        try_shutdown()
    return 0
