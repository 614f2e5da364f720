"""Clients we did not write."""
