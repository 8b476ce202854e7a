"""From frames with poses to a semantic map: fusion, files, occupancy for navigation, objects, poses in time."""
