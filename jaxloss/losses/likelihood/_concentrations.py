"""The concentration of a negative binomial law, or its logarithm."""

from typing import Any

import jax.numpy as jnp

from jaxloss._elements import Given


def concentrations(name: str, concentration: Any, log_concentration: Any) -> Given:
    """The one of them that is given, with its domain; an error unless it is exactly one."""
    if (concentration is None) == (log_concentration is None):
        given = "neither" if concentration is None else "both"
        raise ValueError(f"{name}: give either concentration or log_concentration, exactly one; got {given}.")
    if log_concentration is None:
        inside, rule = lambda r: (r > 0) & (r < jnp.inf), "concentration must be above 0 and finite"
        return Given("concentration", concentration, 1.0, inside, rule, broadcasts=True)
    inside, rule = lambda a: jnp.abs(a) <= 40, "log_concentration must be in [-40, 40]"
    return Given("log_concentration", log_concentration, 0.0, inside, rule, broadcasts=True)
