"""The concentration of a negative binomial law, or its logarithm."""

from typing import Any

import jax.numpy as jnp

from jaxloss._domain import finite_above_0
from jaxloss._elements import Given, one_of


def above_0(argument: str, array: Any) -> Given:
    """Concentrations, or numbers of trials, above 0 and finite; they broadcast."""
    return Given(argument, array, 1.0, finite_above_0, f"{argument} must be above 0 and finite", broadcasts=True)


def concentrations(name: str, concentration: Any, log_concentration: Any) -> Given:
    """The one of them that is given, with its domain; an error unless it is exactly one."""
    argument, array = one_of(name, concentration=concentration, log_concentration=log_concentration)
    if argument == "concentration":
        return above_0(argument, array)
    inside, rule = lambda a: jnp.abs(a) <= 40, "log_concentration must be in [-40, 40]"
    return Given(argument, array, 0.0, inside, rule, broadcasts=True)
