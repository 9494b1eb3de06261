"""Negative log-likelihoods, constants included where asked for."""
