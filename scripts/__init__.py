"""Set-up, demo and upkeep of this checkout; nothing here is installed."""
