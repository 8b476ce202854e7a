"""The parts of the viewer node, which shows topics of perception and mapping with `cinet_core.viewer`."""
