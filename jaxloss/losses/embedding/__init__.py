"""Embeddings: losses of vectors that are compared with each other."""
