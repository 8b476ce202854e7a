"""What the perception node publishes for navigation stacks: obstacles, floor, scan, cliffs and objects of a camera."""
