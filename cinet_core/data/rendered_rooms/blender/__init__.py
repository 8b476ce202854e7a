"""What runs inside Blender's Python (``python -m cinet_core.data.rendered_rooms.blender``); imports bpy."""
