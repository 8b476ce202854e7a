"""What the perception node knows of anchors: their topics, the poses of the camera, and the correction of a frame."""
