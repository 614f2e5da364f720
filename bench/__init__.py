"""What the service costs, measured beside a yardstick in one run: `make bench`."""
