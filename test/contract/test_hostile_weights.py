"""A weights file that is an attack, given to the real node: refused, nothing runs, and the node can be told better."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bomb import Bomb
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState

NODE = "/perception"


@pytest.mark.torch("without it no checkpoint is opened")
@pytest.mark.fault(
    area="security",
    injected="the node is given a pickle named .safetensors that makes a folder when loaded",
    expected="unconfigured, with one error that names the cause; no folder; `weights` cannot be changed from outside",
)
def test_pickle_as_the_nodes_weights(
    wire: Any, start: Callable[..., Any], tmp_path: Path, observed: Callable[[str], None]
) -> None:
    path, proof = tmp_path / "model.safetensors", tmp_path / "executed"
    path.write_bytes(pickle.dumps(Bomb(proof)))
    node = start("perception_node", {"weights": str(path)}, until="is a pickle")
    state = wire.call(GetState, f"{NODE}/get_state", GetState.Request()).current_state
    assert state.id == State.PRIMARY_STATE_UNCONFIGURED
    (result,) = wire.set_parameters(NODE, weights="/etc/passwd")
    assert not result.successful
    assert "read-only" in result.reason
    assert not proof.exists()
    errors = [line for line in node.output().splitlines() if "[ERROR]" in line and "pickle" in line]
    assert len(errors) == 1
    observed("unconfigured; no folder; weights refused as read-only")
    pickle.loads(path.read_bytes())  # the trap does spring where a pickle is loaded
    assert proof.exists()
