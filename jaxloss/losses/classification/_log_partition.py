"""What softmax cross-entropies make of the log-partition function: the term of the z-loss, and their second result."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._options import is_zero, number
from jaxloss._types import Array, Scalar
from jaxloss._written import written_fields


@written_fields
class SoftmaxAux(NamedTuple):
    """The second result of the softmax cross-entropies, one value per row; both fields can be differentiated."""

    lse: Array
    """The log-partition function; 0 where a row does not count."""
    z_loss: Array
    """The term of the z-loss, which is part of the loss."""


def aux_of(lse: Array, z_term: Array | None, finish: Callable[[Array], Array]) -> SoftmaxAux:
    return SoftmaxAux(finish(lse), finish(jnp.zeros_like(lse) if z_term is None else z_term))


def z_term_of(name: str, lse: Array, z_loss: Scalar) -> Array | None:
    if is_zero(z_loss):
        return None
    factor = number(name, "z_loss", z_loss, lse.dtype)
    finite = numerics.absent(factor, lse)
    return (factor * finite) * finite  # the square may overflow where the term does not
