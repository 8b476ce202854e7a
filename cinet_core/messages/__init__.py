"""Messages to arrays and back, for message classes of any library: NumPy and OpenCV only, nothing of ROS is imported.

The node hands in rclpy's classes, the bag commands those that rosbags makes of the definitions (`MessageTypes`).
"""
