"""Classification: losses of class indices and of distributions over classes."""
