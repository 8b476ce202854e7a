"""What the launch files share: their arguments, and the actions that start our nodes.

Needs `launch` and `launch_ros`, as a ROS 2 distribution has them; nothing of PyTorch, which `ros2 launch` may not see.
"""
