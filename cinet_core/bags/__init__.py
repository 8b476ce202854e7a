"""ROS 2 bags without ROS: reads them, even if damaged, adds predictions, and extracts data sets."""
