"""Segmentation: losses of regions that should overlap."""
