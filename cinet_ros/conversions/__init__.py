"""Messages to arrays and back: NumPy, OpenCV and message classes only, no node and no middleware."""
