"""The lengths of vectors and the distances of pairs of them, of which no array of all pairs is formed."""

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._mesh import automatic
from jaxloss.numerics._rule import compiled, rule
from jaxloss.numerics.cosine import directions


@jax.custom_jvp
def length(x: jax.Array) -> jax.Array:
    """The Euclidean length of each vector along the last axis, which keeps length 1; slope 0 at a zero vector."""
    return jnp.sum(x * directions(x), -1, keepdims=True)


@rule(length)
def _length_jvp(primals, tangents):
    (x,) = primals
    return length(x), jnp.sum(directions(x) * tangents[0], -1, keepdims=True)


@jax.custom_jvp
def sum_of_distances(x: jax.Array) -> jax.Array:
    r"""$\sum_{i < j} |x_i - x_j|$ of the members on the axis before the last, vectors along the last; both are gone."""
    return automatic(_of_shifts, x[..., 0, 0], x)


@rule(sum_of_distances)
def _sum_of_distances_jvp(primals, tangents):
    (x,) = primals
    return sum_of_distances(x), jnp.sum(automatic(_pulls, x, x) * tangents[0], (-2, -1))


@compiled()
def _of_shifts(x: jax.Array) -> jax.Array:
    """Member i is compared with member i + k, counted in a circle, for one k after the other up to half their number.

    What is held is of the size of x.
    """
    count = x.shape[-2]
    shifts = count // 2
    if shifts == 0:
        return jnp.zeros_like(x[..., 0, 0])
    circle = jnp.concatenate([x, x], -2)

    def of_shift(k: jax.Array) -> jax.Array:
        return jnp.sum(length(x - lax.dynamic_slice_in_dim(circle, k, count, -2)), (-2, -1))

    sums = lax.map(of_shift, jnp.arange(1, shifts + 1))
    # The shift by half of an even number meets each of its pairs twice.
    halved = jnp.where(jnp.arange(shifts) == shifts - 1, 0.5 if count % 2 == 0 else 1.0, 1.0).astype(x.dtype)
    return jnp.sum(halved.reshape(-1, *(1,) * (x.ndim - 2)) * sums, 0)


@compiled()
def _pulls(x: jax.Array) -> jax.Array:
    r"""$\sum_j (x_i - x_j) / |x_i - x_j|$ of each member i, one after the other, so that no sum is of many steps."""

    # Where it is differentiated, the pairs of a member are computed again, or those of all would be stored.
    @jax.checkpoint
    def of_member(member: jax.Array) -> jax.Array:
        return jnp.sum(directions(member[..., None, :] - x), -2)

    return jnp.moveaxis(lax.map(of_member, jnp.moveaxis(x, -2, 0)), 0, -2)
