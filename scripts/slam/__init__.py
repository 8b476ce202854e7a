"""What our depth is worth to the SLAM systems of others, run as they are."""
