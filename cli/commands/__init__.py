"""One module per command, each a thin way to verbs."""
