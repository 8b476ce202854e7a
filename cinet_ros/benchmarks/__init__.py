"""What needs ROS of `make bench`: the node among camera and subscribers, and the cloud. No node imports this."""
