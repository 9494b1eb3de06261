"""Losses of times until an event, of which some are censored or truncated."""
