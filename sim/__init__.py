"""The pretend town: everything an ISP's outside world consists of, as small honest programs.

Production code cannot import this package (see the import contracts); tests, the demo and the benchmark talk to it
over the same wires as they would to the real thing.
"""
