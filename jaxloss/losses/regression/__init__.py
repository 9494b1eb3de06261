"""Regression: losses of a real number and its prediction."""
