"""The semantic mapper's room: frames and poses from messages, what `cinet_core.mapping` makes of them, as messages."""
