"""FreeRADIUS, started for real, on the shop's tables."""
