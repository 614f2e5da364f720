"""The outside world as it really is: one module or package per company and per kind of box, each behind a port."""
