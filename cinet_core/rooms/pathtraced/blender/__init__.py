"""What runs inside Blender's Python (``python -m cinet_core.rooms.pathtraced.blender``); imports bpy."""
