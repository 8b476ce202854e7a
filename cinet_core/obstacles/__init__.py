"""What navigation needs of a frame: obstacles instead of pixels, floor that is free, edges where it ends, objects.

Everything begins with `segment`, which tells floor from obstacles pixel by pixel; the rest is made of its result, and
only where somebody asks for it. Not a safety device.
"""
