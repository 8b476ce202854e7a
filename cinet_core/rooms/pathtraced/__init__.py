"""Rendered rooms: furnished rooms, path-traced by Blender, with exact depth and NYU40 labels.

An optional extra (``cinet data render``): Blender's Python module ``bpy`` lives in a virtual environment of its own
(installation.py), and so the package has two sides that exchange JSON lines:

- here, in NumPy: catalogue.py knows the models of Sweet Home 3D and roles.py what they can be; furnish.py fills a room
  with what program.py wishes for it, as a RoomPlan (plan.py) that depends on a seed and the room's number alone; run.py
  drives a worker process; photograph.py makes photographs of what it traced; frames.py writes the files.
- blender/, which runs in that environment: builds a plan's meshes and materials, looks through its cameras, chooses
  views and traces them. It imports from here only plan.py, meshes.py and views.py, which need NumPy and no more.

Walls, doors, windows and much of the furniture are those of the synthetic rooms, which detail.py gives the gaps,
handles, books and prints that a path tracer can show. This file imports nothing, so that Blender's side stays light.
"""
