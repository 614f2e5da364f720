"""What Duka knows and does: capabilities with verbs, one transaction per visit, no network."""
