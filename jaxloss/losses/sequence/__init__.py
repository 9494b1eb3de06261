"""Sequences: losses of labels that are not aligned with their frames."""
