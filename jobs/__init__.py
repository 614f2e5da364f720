"""Everything the service does later: the relay carries promises to Redis, workers keep them, the clock makes new ones."""
