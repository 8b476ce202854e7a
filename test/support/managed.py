"""The lifecycle of a node as its services tell it, and the state machine that it has to keep to."""

from __future__ import annotations

from typing import Any

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState

UNCONFIGURED, INACTIVE = State.PRIMARY_STATE_UNCONFIGURED, State.PRIMARY_STATE_INACTIVE
ACTIVE, FINALIZED = State.PRIMARY_STATE_ACTIVE, State.PRIMARY_STATE_FINALIZED
CONFIGURE, CLEANUP = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE
TRANSITIONS = (CONFIGURE, CLEANUP, ACTIVATE, DEACTIVATE)
SHUTDOWN = {
    UNCONFIGURED: Transition.TRANSITION_UNCONFIGURED_SHUTDOWN,
    INACTIVE: Transition.TRANSITION_INACTIVE_SHUTDOWN,
    ACTIVE: Transition.TRANSITION_ACTIVE_SHUTDOWN,
}

# (state, transition) -> state; every other request has to be refused, and to change nothing.
ALLOWED = {
    (UNCONFIGURED, CONFIGURE): INACTIVE,
    (INACTIVE, ACTIVATE): ACTIVE,
    (ACTIVE, DEACTIVATE): INACTIVE,
    (INACTIVE, CLEANUP): UNCONFIGURED,
}
PATIENCE = 60.0


class Managed:
    """Transitions of a node over the wire.

    Args:
        wire: of the test.
        name: of the node.
    """

    def __init__(self, wire: Any, name: str = "/perception") -> None:
        self._wire = wire
        self._name = name

    def change(self, transition: int) -> bool:
        """Request a transition; whether it succeeded."""
        request = ChangeState.Request(transition=Transition(id=transition))
        return bool(self._wire.call(ChangeState, f"{self._name}/change_state", request, PATIENCE).success)

    @property
    def state(self) -> int:
        """The state it is in."""
        return int(self._wire.call(GetState, f"{self._name}/get_state", GetState.Request()).current_state.id)
