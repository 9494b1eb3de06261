"""The loss of each token from its sums, and the weighted sum of the losses with its gradient in the forward pass."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._arrays import real
from jaxloss._types import Array
from jaxloss.fused._chunks import split, sum_of_chunks
from jaxloss.fused._inputs import Arrays, Inputs
from jaxloss.fused._layer import Head, Static, Sums
from jaxloss.fused._sums import from_all, sums_that_count
from jaxloss.fused._tile import live_kernel


class Options(NamedTuple):
    """The options of the loss of one token; None where an option is off."""

    smoothing: Array | None
    share: Array | None  # the smoothing over the number of classes
    mass: Array | None  # the sum of the class weights
    z_loss: Array | None


def options_of(name: str, given: Inputs, arrays: Arrays) -> tuple[Array | None, Array | None, Options]:
    """The class weight of each token's label, the factors of the logits in a smoothed label, and the options."""
    dtype, smoothing, z_loss = given.static.add, arrays["label_smoothing"], arrays["z_loss"]
    label_weight = factors = None
    if arrays["class_weights"] is not None:
        array = real(name, "class_weights", arrays["class_weights"]).astype(dtype)
        factors = given.per_class(name, "class_weights", array)
        label_weight = given.shards.sum(given.look_up(factors))
    if smoothing is None:
        return label_weight, None, Options(None, None, None, z_loss)
    if factors is None:
        ones = jnp.ones_like(given.head.kernel, dtype, shape=given.classes)
        factors = given.per_class(name, "class_weights", ones)
    mass = given.shards.sum(jnp.sum(factors))
    return label_weight, factors, Options(smoothing, smoothing / given.live_classes(), mass, z_loss)


def token_losses(sums: Sums, label_weight: Array | None, options: Options) -> Array:
    r"""The loss of each token, from the log-sum-exp r over the rest, the label's logit z and the weighted sum q.

    $$\ell = (1 - s) w_t \log(1 + e^{r - z}) + \frac{s}{K} (B L - q) + \zeta L^2, \qquad L = \log(e^r + e^z)$$

    with B the sum of the factors of the smoothed label.
    """
    # If all logits are minus infinity the loss is infinite, by the label's logit: inf - inf would make it nan.
    log_rest = jnp.maximum(sums.log_rest, -float(jnp.finfo(sums.log_rest.dtype).max))
    losses = numerics.softplus(log_rest - sums.label_logit)
    if label_weight is not None:
        losses = numerics.times(label_weight, losses)
    lse = numerics.logaddexp(sums.log_rest, sums.label_logit)
    if options.smoothing is not None and options.share is not None and options.mass is not None:
        finite = jnp.where(lse == -jnp.inf, jnp.zeros_like(lse), lse)  # sums.weighted_sum is infinite then
        smoothed = numerics.times(options.mass, finite) - sums.weighted_sum
        losses = numerics.times(1 - options.smoothing, losses) + numerics.times(options.share, smoothed)
    return losses if options.z_loss is None else losses + numerics.times(numerics.times(options.z_loss, lse), lse)


def weighted_sum(
    given: Inputs, factors: Array | None, weight: Array, label_weight: Array | None, options: Options, chunk: int
) -> Array:
    """The sum of weight times loss, taken in chunks of tokens."""

    def run(x: Array, labels: Array, kept: Array, weight: Array, label_weight: Array | None, shared: Any) -> Array:
        head, options = shared
        tokens = split((x, labels, kept, weight, label_weight), labels.shape, chunk)
        return sum_of_chunks(partial(_weighted, given.static), (live_kernel(head, given.static), options), tokens)

    # The mask is False for the tokens that fill up the last chunk, too.
    kept = jnp.ones_like(given.labels, bool) if given.kept is None else given.kept
    shared = given.head._replace(factors=factors), options
    leaves, tree = jax.tree.flatten((given.x, given.labels, kept, weight, label_weight, shared))
    return numerics.automatic(run, None, *tree.unflatten(numerics.varying_alike(*leaves)))


def _weighted(static: Static, shared: tuple[Head, Options], tokens: Any) -> Array:
    head, options = shared
    x, labels, kept, weight, label_weight = tokens
    sums = sums_that_count(from_all(head, x, labels, static), kept)
    return jnp.sum(weight * token_losses(sums, label_weight, options))


__all__ = ["Options", "options_of", "token_losses", "weighted_sum"]
