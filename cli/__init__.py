"""`duka …`: the commands for people who run an installation."""
