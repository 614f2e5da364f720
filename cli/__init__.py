"""The command line: `duka`, for whoever owns or runs an installation."""
