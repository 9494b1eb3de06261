"""Sums over rows whose elements are in an order: of ordered classes towards the label, and of the sorted members."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._mesh import automatic, columns, filled, keep, replicated
from jaxloss.numerics._rule import compiled, rule, tangent
from jaxloss.numerics._shapes import known
from jaxloss.numerics.guarded import absent, largest


def sums_towards(x: jax.Array, labels: jax.Array, axis: int) -> jax.Array:
    """The sum of each element and those that are further from the label on its side; 0 at the label."""
    x = replicated(x, (axis,))
    index, nothing = columns(x, axis, jnp.int32), jnp.zeros_like(x)
    before, after = index < labels, index > labels
    up = lax.cumsum(jnp.where(before, x, nothing), axis)
    down = lax.cumsum(jnp.where(after, x, nothing), axis, reverse=True)
    return jnp.where(before, up, jnp.where(after, down, nothing))


@partial(jax.custom_jvp, nondiff_argnums=(3, 4))
def ensemble_score(x: jax.Array, y: jax.Array, kept: jax.Array | None, axis: int, fair: bool) -> jax.Array:
    r"""$\frac1n \sum_i |x_i - y| - \frac1{2 n m} \sum_{i,j} |x_i - x_j|$ with m = n, or if `fair` n - 1, at least 1.

    n counts the members that are kept. The axis keeps length 1, and y has length 1 there. The differences of sorted
    pairs sum to $2 \sum_i (2 i - n - 1) (x_i - y)$, so that the score is a sum of distances from y with weights of at
    least 0, in which nothing cancels:

    $$\frac1n \sum_i \frac{w_i}m |x_i - y|, \quad w_i = m \pm (2 i - n - 1)$$

    with a plus for members below y, and 0 times an infinite distance is 0.
    """
    n, m = _counts(x, kept, axis, fair)
    s = _sorted(x, kept, axis)
    place = columns(s, axis, x.dtype) + 1
    rank = 2 * place - n - 1
    # Divided before they are added, and in units of which the distances are floats: a distance and their sum may
    # overflow where the mean does not.
    share = jnp.where(s < y, m + rank, m - rank) / (m * n)
    share = keep(None if kept is None else place <= n, share)
    furthest = jnp.maximum(jnp.max(jnp.abs(s), axis, keepdims=True), jnp.abs(y))
    shrunk = jnp.where(furthest > 0.5 * largest(s), filled(y, 0.5), jnp.ones_like(y))
    distance = jnp.abs(shrunk * s - shrunk * y)
    return jnp.sum(share * absent(share, distance), axis, keepdims=True) / shrunk


@rule(ensemble_score)
def _ensemble_score_jvp(axis, fair, primals, tangents):
    x, y, kept = primals

    def in_target():
        n, _ = _counts(x, kept, axis, fair)
        sides = keep(kept, jnp.sign(lax.stop_gradient(y) - lax.stop_gradient(x)))
        return jnp.sum(sides, axis, keepdims=True) / n

    value = ensemble_score(x, y, kept, axis, fair)
    along = tangent(x, (lambda: keep(kept, _member_slopes(x, y, kept, axis, fair)), tangents[0]))
    return value, jnp.sum(along, axis, keepdims=True) + tangent(value, (in_target, tangents[1]))


def _sorted(x: jax.Array, kept: jax.Array | None, axis: int) -> jax.Array:
    """The members in order, those that are left out behind all others."""
    return lax.sort(keep(kept, x, jnp.inf), dimension=axis)


def _member_slopes(x: jax.Array, y: jax.Array, kept: jax.Array | None, axis: int, fair: bool) -> jax.Array:
    r"""$\frac1{n m} (m \operatorname{sign}(x_i - y) - (\#\{x_j < x_i\} - \#\{x_j > x_i\}))$.

    Equal members have equal slopes. All terms are integers, whose differences are exact up to $2^{24}$ members. The
    slopes are constant between ties, and have no derivative.
    """
    x, y = lax.stop_gradient(x), lax.stop_gradient(y)
    n, m = _counts(x, kept, axis, fair)
    # The sort is that of the value, and compiled once. What is sorted is searched: a sort that takes the places of the
    # members along, and a second one back, took twice the time of all of this on CPUs.
    s = _sorted(x, kept, axis)
    counted = lambda equal: automatic(lambda s, x: _count(s, x, axis, equal), x, s, x)  # noqa: E731
    fewer, upto = counted(False), counted(True)
    return (m * jnp.sign(x - y) - (fewer - (n - jnp.minimum(upto, n)))) / (n * m)


@compiled(2, 3)
def _count(s: jax.Array, x: jax.Array, axis: int, equal: bool) -> jax.Array:
    """How many sorted members are less than each x, or with `equal` no more than it, by a binary search."""
    count = s.shape[axis]
    steps = count.bit_length() if known(count) else 31

    def halved(_: int, bounds: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = bounds
        middle = (low + high) // 2
        found = jnp.take_along_axis(s, jnp.minimum(middle, count - 1), axis)
        passed = (low < high) & ((found <= x) if equal else (found < x))
        return jnp.where(passed, middle + 1, low), jnp.where(passed, high, middle)

    start = jnp.zeros_like(x, jnp.int32)
    return lax.fori_loop(0, steps, halved, (start, jnp.full_like(start, count)))[0].astype(x.dtype)


def _counts(x: jax.Array, kept: jax.Array | None, axis: int, fair: bool) -> tuple[jax.Array, jax.Array]:
    """How many members there are, at least 1, and by how many a pair's differences are divided."""
    if kept is None:
        n = jnp.full((1,) * x.ndim, x.shape[axis], x.dtype)
    else:
        n = jnp.maximum(jnp.sum(kept, axis, keepdims=True, dtype=x.dtype), 1)
    return n, jnp.maximum(n - 1, 1) if fair else n
