"""What needs ROS of `make bench`: the nodes among camera and subscribers, and the cloud."""
