"""Set-up of a checkout for `make demo` and `make test` on a machine without a ROS 2 distribution.

Steps, each skipped when nothing it depends on has changed: system libraries (apt, only where root), a virtual
environment in .venv with torch and real ROS 2 from PyPI wheels (pinned by scripts/constraints*.txt), and a colcon build
of this package into .ros. `make ROS=kilted` has both in folders of their own, .venv-kilted and .ros-kilted. Uses the
standard library only. On a robot with a distribution use scripts/install.sh.
"""
