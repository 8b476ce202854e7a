"""ROS 2 bags without ROS: read, also what is left of damaged ones; add predictions to them; make data sets of them."""
