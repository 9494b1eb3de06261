"""From a token's sums to its loss, and the weighted sum of the losses with its gradient in the forward pass."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._arrays import real
from jaxloss._types import Array
from jaxloss.fused._chunks import split, sum_of_chunks
from jaxloss.fused._head import Head, How, Sums, from_all, live_kernel, sums_that_count
from jaxloss.fused._inputs import Arrays, Inputs


class Options(NamedTuple):
    """What turns a token's sums into its loss; None where an option is off."""

    smoothing: Array | None
    share: Array | None  # the smoothing over the number of classes
    mass: Array | None  # the sum of the class weights
    z_loss: Array | None


def options_of(name: str, given: Inputs, arrays: Arrays) -> tuple[Array | None, Array | None, Options]:
    """Each token's class weight, the factors of the logits in the smoothed mass, and the options."""
    dtype, smoothing, zeta = given.how.add, arrays["label_smoothing"], arrays["z_loss"]
    own = factors = None
    if arrays["class_weights"] is not None:
        array = real(name, "class_weights", arrays["class_weights"]).astype(dtype)
        factors = given.per_class(name, "class_weights", array)
        found = lambda t, w: numerics.keep(t >= 0, numerics.look_up(w, jnp.maximum(t, 0)))  # noqa: E731
        own = given.shards.sum(numerics.automatic(found, given.labels, given.labels, factors))
    if smoothing is None:
        return own, None, Options(None, None, None, zeta)
    if factors is None:
        ones = jnp.ones_like(given.head.kernel, dtype, shape=given.head.kernel.shape[given.how.classes])
        factors = given.per_class(name, "class_weights", ones)
    mass = given.shards.sum(jnp.sum(factors))
    return own, factors, Options(smoothing, smoothing / given.live_classes(), mass, zeta)


def token_losses(sums: Sums, own_weight: Array | None, options: Options) -> Array:
    # Of logits that all are minus infinity the loss is infinite, by the label's: inf - inf would make it nan.
    rest = jnp.maximum(sums.rest, -float(jnp.finfo(sums.rest.dtype).max))
    losses = numerics.softplus(rest - sums.own)
    if own_weight is not None:
        losses = numerics.times(own_weight, losses)
    lse = numerics.logaddexp(sums.rest, sums.own)
    if options.smoothing is not None and options.share is not None and options.mass is not None:
        shift = jnp.where(lse == -jnp.inf, jnp.zeros_like(lse), lse)  # the spread logits are infinite enough
        spread = numerics.times(options.mass, shift) - sums.spread
        losses = numerics.times(1 - options.smoothing, losses) + numerics.times(options.share, spread)
    return losses if options.z_loss is None else losses + numerics.times(options.z_loss, jnp.square(lse))


def weighted_sum(
    given: Inputs, spread: Array | None, weight: Array, own_weight: Array | None, options: Options, chunk: int
) -> Array:
    """The sum of weight times loss, taken in chunks of tokens."""

    def run(x: Array, labels: Array, kept: Array, weight: Array, own_weight: Array | None, shared: Any) -> Array:
        shared = live_kernel(shared[0], given.how), shared[1]
        rows = split((x, labels, kept, weight, own_weight), labels.shape, chunk)
        return sum_of_chunks(partial(_weighted, given.how), shared, rows)

    # False also for the tokens that are added to fill the last chunk.
    kept = jnp.ones_like(given.labels, bool) if given.kept is None else given.kept
    arrays = given.x, given.labels, kept, weight, own_weight, (given.head._replace(spread=spread), options)
    leaves, tree = jax.tree.flatten(arrays)
    return numerics.automatic(run, None, *tree.unflatten(numerics.varying_alike(*leaves)))


def _weighted(how: How, shared: tuple[Head, Options], rows: Any) -> Array:
    head, options = shared
    x, labels, kept, weight, own_weight = rows
    sums = sums_that_count(from_all(head, x, labels, how), kept)
    return jnp.sum(weight * token_losses(sums, own_weight, options))
