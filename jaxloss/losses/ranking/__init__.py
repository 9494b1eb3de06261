"""Ranking: losses of the order in which scores put the items of a list."""
