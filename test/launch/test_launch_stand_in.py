"""The stand-in for launch and launch_ros has the signatures of the real packages, where those import."""

from __future__ import annotations

import importlib
import inspect

import launch_stand_in
import pytest

# What both must have; `LaunchContext` and `Action` with what launch files and our own code call.
NAMES = {
    "launch": "LaunchContext LaunchDescription Action Condition Event",
    "launch.actions": "DeclareLaunchArgument EmitEvent ExecuteLocal ExecuteProcess GroupAction "
    "IncludeLaunchDescription LogInfo OpaqueFunction RegisterEventHandler SetEnvironmentVariable "
    "SetLaunchConfiguration Shutdown TimerAction UnsetLaunchConfiguration",
    "launch.conditions": "IfCondition",
    "launch.events": "Shutdown matches_action",
    "launch.events.process": "ProcessExited ShutdownProcess",
    "launch.launch_description_sources": "AnyLaunchDescriptionSource PythonLaunchDescriptionSource "
    "load_python_launch_file_as_module",
    "launch.substitutions": "LaunchConfiguration",
    "launch.utilities": "normalize_to_list_of_substitutions perform_substitutions",
    "launch_ros.actions": "Node SetRemap",
    "launch_ros.parameter_descriptions": "ParameterValue",
}
# The real one takes `handle_once` by **kwargs.
OTHERWISE = {"launch.event_handlers": "OnProcessExit"}

# Came after Humble; none of our launch files gives it.
LATER = ("respawn_max_retries",)


def signature(owner: object) -> list[tuple[str, object, bool]]:
    """Names, kinds and whether there is a default, in their order."""
    parameters = inspect.signature(owner).parameters.values()  # type: ignore[arg-type]
    return [(item.name, item.kind, item.default is item.empty) for item in parameters if item.name not in LATER]


@pytest.mark.parametrize(("module", "name"), [(module, name) for module in NAMES for name in NAMES[module].split()])
def test_signatures_are_the_real_ones(module: str, name: str) -> None:
    if not launch_stand_in.has_real_launch():
        pytest.skip("launch and launch_ros come with a ROS 2 distribution, not from PyPI")
    ours = getattr(importlib.import_module(f"launch_stand_in.{module}"), name)
    theirs = getattr(importlib.import_module(module), name)
    assert signature(ours) == signature(theirs)


def test_everything_that_the_launch_files_import_is_compared() -> None:
    names = NAMES | OTHERWISE
    for module in launch_stand_in.MODULES:
        public = vars(importlib.import_module(f"launch_stand_in.{module}"))
        here = {
            name
            for name, value in public.items()
            if inspect.isclass(value) and value.__module__ == f"launch_stand_in.{module}" and not name.endswith("Event")
        }
        missing = here - set(names.get(module, "").split()) - {"LaunchDescriptionEntity", "Substitution", "Text"}
        assert not {name for name in missing if not issubclass(public[name], Exception)}, module


def test_a_wrong_keyword_is_refused_as_by_launch() -> None:
    node = importlib.import_module("launch_stand_in.launch_ros.actions").Node
    with pytest.raises(TypeError, match="unexpected keyword argument 'node_name'"):
        node(package="cinet_ros", executable="perception_node", node_name="perception")
