"""The loss of a last layer, reduced: in chunks of tokens with its gradient, or from the loss of each token."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._domain import outside_is_nan
from jaxloss._masks import masked
from jaxloss._program import one_program
from jaxloss._reduce import check_reduction, reduced, reduced_by, totalled
from jaxloss._types import Array
from jaxloss.fused._inputs import Arrays, Setup, inputs, operands, setup_of
from jaxloss.fused._plan import planned
from jaxloss.fused._sums import sums_of
from jaxloss.fused._token_losses import options_of, token_losses, weighted_sum
from jaxloss.fused.log_partition import aux_of


def reduced_loss(reduction: str, beside: str | None, **arguments: Any) -> Any:
    """The loss, alone or with what is returned beside it: "aux", or the denominator of a reduction."""
    name = "linear_softmax_cross_entropy"
    check_reduction(name, reduction)
    arrays, structure = operands(name, arguments)
    return _loss(arrays, setup_of(name, arrays, reduction=reduction, beside=beside, **structure))


@one_program("setup")
def _loss(arrays: Arrays, setup: Setup) -> Any:
    name = setup.name
    given = inputs(arrays, setup)
    mode, chunk = planned(given, setup, setup.reduction != "none" and setup.beside != "aux")
    label_weight, factors, options = options_of(name, given, arrays)
    counts = arrays["weights"], given.kept
    like = jnp.zeros_like(given.labels, given.static.add)
    if mode == "fast":

        def numerator(weight: Array) -> Array:
            # A label out of range adds nan to the value, and nothing to any gradient.
            weight = numerics.keep(given.valid, weight)
            total = weighted_sum(given, factors, weight, label_weight, options, chunk)
            return total + outside_is_nan(name, jnp.zeros_like(total), lambda: jnp.all(given.valid), given.rule)

        loss = reduced_by(name, numerator, like, *counts, setup.reduction, setup.axis_name)
    else:
        sums = sums_of(given, factors, chunk)
        losses = outside_is_nan(name, token_losses(sums, label_weight, options), lambda: given.valid, given.rule)
        loss = reduced(name, masked(losses, given.kept), *counts, setup.reduction, None, setup.axis_name)
        if setup.beside == "aux":
            return loss, aux_of(name, given, sums, options.z_loss, setup.axis_name)
    if setup.beside is None:
        return loss
    return loss, totalled(name, like, *counts, setup.beside, None, setup.axis_name)[1]
