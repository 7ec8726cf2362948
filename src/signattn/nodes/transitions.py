"""Transitions of a managed node that say why they fail."""

import functools
from collections.abc import Callable
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from signattn.nodes.failures import give_back_memory

Callback = Callable[[Any, LifecycleState], TransitionCallbackReturn]


def reported(callback: Callback) -> Callback:
    """Tell the node what its lifecycle callback raised and answer FAILURE: rclpy would swallow it.

    Args:
        callback: A method ``on_…`` of a node that has ``note_failure(transition, error)``.

    Returns:
        The guarded method.
    """

    @functools.wraps(callback)
    def guarded(node: Any, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return callback(node, state)
        except Exception as error:  # noqa: BLE001 (whatever it is, the node must say it)
            node.note_failure(callback.__name__.removeprefix('on_'), error)
        # The error is gone by now, and with it what it held on the device.
        give_back_memory()
        return TransitionCallbackReturn.FAILURE

    return guarded


def refuse_wrong_transitions(node: LifecycleNode) -> None:
    """Have the service ``change_state`` refuse what the state doesn't allow.

    rclpy of Jazzy raises there, which would end the process of a node that a manager asks twice;
    from Kilted on it refuses by itself.

    Args:
        node: The managed node.
    """
    service = node._service_change_state  # noqa: SLF001 (rclpy has no other way to it)
    change = service.callback

    def change_or_refuse(
        request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        try:
            return change(request, response)
        except RuntimeError as error:
            node.get_logger().error(f'transition refused: {error}')
            response.success = False
            return response

    service.callback = change_or_refuse
