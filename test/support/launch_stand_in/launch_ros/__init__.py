"""Of `launch_ros`."""
