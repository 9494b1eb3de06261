"""Primitives of pairs as functions of numbers, which lack nothing."""

import jax.numpy as jnp


def of_a_number(function):
    """The function of one pair as a function of a number."""

    def of_number(z):
        return function((z, jnp.zeros_like(z)))

    of_number.__name__ = function.__name__
    return of_number


def since_a_number(function):
    """The function of two pairs and their spread as one of the first number and the spread."""

    def since(a, spread):
        zero = jnp.zeros_like(a)
        return function((a + spread, zero), (a, zero), spread)

    since.__name__ = function.__name__
    return since
