"""Losses that compute the last layer themselves, so that its logits need not be held."""
