"""Divergences between two distributions over the same outcomes."""
