"""The nodes as programs: ``drive_node``, or ``python -m signattn.nodes drive_node``."""

import importlib
import signal
import sys

NODES = ('drive_node', 'overlay_node', 'replay_node')


def main(node: str) -> int:
    """Run a node to its end.

    Args:
        node: Name of its module.

    Returns:
        Exit status.
    """
    # An interrupted import may swallow that, and the node would run. Killed, as other programs
    # are before they set up anything, it can't.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    status: int = importlib.import_module(f'signattn.nodes.{node}').main()
    return status


def drive_node() -> int:
    """The node that runs on the vehicle."""
    return main('drive_node')


def overlay_node() -> int:
    """Pictures for the eye."""
    return main('overlay_node')


def replay_node() -> int:
    """A recording as camera."""
    return main('replay_node')


if __name__ == '__main__':
    if sys.argv[1:2] == [] or sys.argv[1] not in NODES:
        sys.exit(f'error: node must be one of {", ".join(NODES)}')
    sys.exit(main(sys.argv[1]))
