"""Losses that swallow the last layer, so that its logits need not be held."""
