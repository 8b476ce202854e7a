"""The viewer's room: the topics of the perception node and the mapper, shown by `cinet_core.viewer`."""
