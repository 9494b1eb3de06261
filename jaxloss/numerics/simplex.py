"""Sparsemax, the projection of scores onto the simplex, and the losses whose slopes are sparsemax minus the label."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._mesh import filled
from jaxloss.numerics._row_sums import top_and_base
from jaxloss.numerics._rule import compiled, rule, tangent
from jaxloss.numerics.guarded import absent, clip_infinite, clip_positive_infinity
from jaxloss.numerics.label import is_label, label_value, without_label

State = tuple[jax.Array, jax.Array, jax.Array]


@partial(jax.custom_jvp, nondiff_argnums=(1,))
@compiled(1)
def sparsemax(x: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
    r"""The nearest distribution $p_j = \max(0, u_j - \tau)$ to each row, $u_j = x_j - \max_k x_k$; and $\tau$.

    A row of minus infinities has p = 0.
    """
    top = _base(x, axis)
    tau = _threshold(x, top, axis)
    return jnp.maximum(_less(x, top) - tau, 0), tau


def _base(x: jax.Array, axis: int) -> jax.Array:
    """The maximum of each row, made finite."""
    return top_and_base(x, axis)[1]


def _less(x: jax.Array, top: jax.Array) -> jax.Array:
    """`x` minus the maximum of its row: 0 for a class of infinite score, minus infinity for an absent class."""
    return clip_positive_infinity(x) - top


def _threshold(x: jax.Array, top: jax.Array, axis: int) -> jax.Array:
    r"""The root of $\sum_j \max(0, u_j - \tau) = 1$, by Newton's method from $\tau = -1$, below the root.

    The sum is convex and decreasing in the threshold, so that no step passes the root. Classes leave the support and
    never come back; once it stays the same, the threshold is exact. A few steps suffice, each one pass without a sort.
    """

    def step(state: State) -> State:
        tau, size, _ = state
        u = _less(x, top)
        inside = u > tau
        count = jnp.sum(inside, axis, keepdims=True, dtype=x.dtype)
        total = jnp.sum(jnp.where(inside, u, jnp.zeros_like(u)), axis, keepdims=True)
        return jnp.maximum(tau, (total - 1) / jnp.maximum(count, 1)), count, jnp.any(count != size)

    start = filled(top, -1)
    return lax.while_loop(lambda state: state[2], step, (start, start, jnp.any(start < 0)))[0]


@rule(sparsemax)
def _sparsemax_jvp(axis, primals, tangents):
    (x,), (t,) = primals, tangents
    p, tau = sparsemax(x, axis)
    # On the support dp = dx - dtau, and dtau is the mean of dx over the support.
    support = p > 0
    inside = jnp.where(support, t, jnp.zeros_like(t))
    count = jnp.maximum(jnp.sum(support, axis, keepdims=True, dtype=x.dtype), 1)
    of_tau = jnp.sum(inside, axis, keepdims=True) / count
    return (p, tau), (jnp.where(support, t - of_tau, jnp.zeros_like(t)), of_tau)


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def sparsemax_nll(x: jax.Array, labels: jax.Array, axis: int) -> jax.Array:
    r"""$\frac12 \|p - e_t\|^2 + \max(0, \tau - x_t)$, the class axis kept with length 1.

    No term is negative, and $1 - p_t$ is the sum of the other classes' p, which keeps its digits near 0.
    """
    p, tau = sparsemax(x, axis)
    return _nll(x, labels, p, tau, axis)


def _nll(x: jax.Array, labels: jax.Array, p: jax.Array, tau: jax.Array, axis: int) -> jax.Array:
    others = without_label(p, labels, axis)
    missing, squares = (jnp.sum(s, axis, keepdims=True) for s in (others, jnp.square(others)))
    below = tau - _less(label_value(x, labels, axis), _base(x, axis))
    outside = jnp.where(below <= 0, jnp.zeros_like(below), below)
    return 0.5 * (jnp.square(missing) + squares) + outside


@rule(sparsemax_nll)
def _sparsemax_nll_jvp(axis, primals, tangents):
    x, labels = primals
    p, tau = sparsemax(x, axis)
    others = without_label(p, labels, axis)
    slope = jnp.where(is_label(x, labels, axis), -jnp.sum(others, axis, keepdims=True), others)
    return _nll(x, labels, p, tau, axis), jnp.sum(slope * tangents[0], axis, keepdims=True)


@jax.custom_jvp
def binary_sparsemax_nll(x: jax.Array, y: jax.Array) -> jax.Array:
    r"""$(p - y)^2$ with $p = (x + 1) / 2$ for x from -1 to 1, $(1 - y)(x - y)$ above and $y (y - 1 - x)$ below."""
    above = (1 - y) * absent(1 - y, x - y)
    below = y * absent(y, (y - 1) - x)
    return jnp.where(x >= 1, above, jnp.where(x <= -1, below, jnp.square(_error(x, y))))


def _error(x: jax.Array, y: jax.Array) -> jax.Array:
    """$p - y$, exactly 0 where x is 1 or -1 and the label agrees."""
    return 0.5 * (x + (1 - 2 * y))


@rule(binary_sparsemax_nll)
def _binary_sparsemax_nll_jvp(primals, tangents):
    x, y = primals
    in_x = lambda: jnp.where(x >= 1, 1 - y, jnp.where(x <= -1, -y, _error(x, y)))  # noqa: E731
    in_y = lambda: (2 * y - 1) - clip_infinite(x)  # noqa: E731
    return binary_sparsemax_nll(x, y), tangent(x, (in_x, tangents[0]), (in_y, tangents[1]))
