"""Negative log-likelihoods of lifetimes, of which some are censored or truncated."""
