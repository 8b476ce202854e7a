"""Of `launch.launch_description_sources`: Python files are read, those in XML and YAML are not."""

from __future__ import annotations

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from types import ModuleType
from typing import Any

from . import LaunchContext, LaunchDescription
from .utilities import normalize_to_list_of_substitutions, perform_substitutions


def load_python_launch_file_as_module(python_launch_file_path: str) -> ModuleType:
    """The module of a launch file."""
    loader = SourceFileLoader("python_launch_file", python_launch_file_path)
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


class AnyLaunchDescriptionSource:
    """A launch file."""

    def __init__(self, launch_file_path: Any) -> None:
        self._path = normalize_to_list_of_substitutions(launch_file_path)
        self.location = ""

    def get_launch_description(self, context: LaunchContext) -> LaunchDescription:
        self.location = perform_substitutions(context, self._path)
        if not self.location.endswith(".py"):
            return LaunchDescription()
        return load_python_launch_file_as_module(self.location).generate_launch_description()


class PythonLaunchDescriptionSource(AnyLaunchDescriptionSource):
    """A launch file in Python."""

    def __init__(self, launch_file_path: Any) -> None:
        super().__init__(launch_file_path)
