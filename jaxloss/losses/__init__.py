"""The losses, one idea a file: a function, its class form, and their names in `__all__`."""
