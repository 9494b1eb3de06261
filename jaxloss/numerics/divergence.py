"""Terms of the divergences between distributions, each 0 to the last bit where the two agree."""

import math
from functools import partial

import jax
import jax.numpy as jnp

from jaxloss.numerics._forms import form, two_sums
from jaxloss.numerics._mesh import is_split
from jaxloss.numerics._rule import rule, tangent
from jaxloss.numerics._shapes import Axes, few_classes, known
from jaxloss.numerics.elementary import two_sum
from jaxloss.numerics.guarded import divide, times, weighed
from jaxloss.numerics.poisson import deviance_of_gap, half_deviance_rate, log_gap, log_gap_of_ratio


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def relative_entropy(log_p: jax.Array, t: jax.Array, axes: Axes = ()) -> jax.Array:
    r"""$\sum_k t_k (\log t_k - \log p_k)$; a term is 0 at t = 0, however improbable, and nan below."""
    return _expected_gap(t, jnp.log(t), log_p, axes)


@rule(relative_entropy)
def _relative_entropy_jvp(axes, primals, tangents):
    log_p, t = primals
    terms = tangent(t, (lambda: -t, tangents[0]), (lambda: log_gap(t, log_p) + 1, tangents[1]))
    return relative_entropy(log_p, t, axes), jnp.sum(terms, axes)


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def relative_entropy_log(log_p: jax.Array, log_t: jax.Array, axes: Axes = ()) -> jax.Array:
    r"""$\sum_k e^{\log t_k} (\log t_k - \log p_k)$; a term is 0 at $\log t = -\infty$."""
    return _expected_gap(_unshared_exp(log_t, axes), log_t, log_p, axes)


@rule(relative_entropy_log)
def _relative_entropy_log_jvp(axes, primals, tangents):
    log_p, log_t = primals
    terms = tangent(
        log_t, (lambda: -jnp.exp(log_t), tangents[0]), (lambda: _log_target_slope(log_t, log_p), tangents[1])
    )
    return relative_entropy_log(log_p, log_t, axes), jnp.sum(terms, axes)


@jax.custom_jvp
def _log_target_slope(log_t: jax.Array, log_p: jax.Array) -> jax.Array:
    r"""$t (\log t - \log p + 1)$, 0 at t = 0."""
    return times(jnp.exp(log_t), gap_of_logs(log_t, log_p) + 1)


@rule(_log_target_slope)
def _log_target_slope_jvp(primals, tangents):
    log_t, log_p = primals
    t = jnp.exp(log_t)
    in_log_t = lambda: times(t, gap_of_logs(log_t, log_p) + 2)  # noqa: E731
    return _log_target_slope(log_t, log_p), tangent(t, (in_log_t, tangents[0]), (lambda: -t, tangents[1]))


def _sum_of_gaps(t: jax.Array, log_t: jax.Array, log_p: jax.Array, axes: Axes) -> jax.Array:
    # The bound keeps log t - log p from being inf - inf where both outcomes are impossible.
    return jnp.sum(weighed(t, _bounded(log_t) - log_p), axes)


@form(_sum_of_gaps)
def _expected_gap(t: jax.Array, log_t: jax.Array, log_p: jax.Array, axes: Axes) -> jax.Array:
    r"""$\sum_k t_k (\log t_k - \log p_k)$ over some axes, and 0 for a term of t = 0. For values, not for slopes.

    Over many classes an infinite gap is bounded, not selected, and found by a second bound: the two sums are equal to
    the last bit unless a gap is beyond the lower one. Measured: jaxlib 0.10.2, gradient of kl_divergence through
    log_softmax 512x32000 (tests/sweeps/test_memory.py), the twin stores 65.5 MB, and the form nothing of that size.
    """
    if few_classes(t, axes) or axes == ():
        return _sum_of_gaps(t, log_t, log_p, axes)
    gap = _bounded(log_t) - _bounded(log_p)
    total, lower = two_sums(t * gap, t * jnp.minimum(gap, 0.4 * float(jnp.finfo(gap.dtype).max)), axes)
    total, lower = jnp.squeeze(total, axes), jnp.squeeze(lower, axes)
    return jnp.where(total > lower, jnp.full_like(total, jnp.inf), total)


def _exp(log_t: jax.Array, axes: Axes) -> jax.Array:
    del axes
    return jnp.exp(log_t)


@form(_exp)
def _unshared_exp(log_t: jax.Array, axes: Axes) -> jax.Array:
    """exp(log t) for the value: over many classes in another expression than the slope's, or XLA on CPU stores it.

    Measured: jaxlib 0.10.2, gradient of kl_divergence_with_log_targets 256x32000, the twin takes twice the CPU time.
    """
    return jnp.exp(log_t if few_classes(log_t, axes) else _bounded(log_t))


def _bounded(log: jax.Array) -> jax.Array:
    return jnp.maximum(log, -float(jnp.finfo(log.dtype).max) / 2)


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def generalized_relative_entropy(log_p: jax.Array, t: jax.Array, axes: Axes = ()) -> jax.Array:
    r"""$\sum_k t_k (\log t_k - \log p_k) - t_k + p_k$; a term is p at t = 0, and nan below.

    A term is $t (e^d - 1 - d)$ with $d = \log p - \log t$, which is never negative.
    """
    p = jnp.exp(log_p)
    # A target below 0 stays, or its logarithm would not make the row nan.
    target = jnp.where(t == 0, jnp.ones_like(t), t)
    return jnp.sum(jnp.where(t == 0, p, deviance_of_gap(target, log_p - jnp.log(target), p)), axes)


@rule(generalized_relative_entropy)
def _generalized_relative_entropy_jvp(axes, primals, tangents):
    log_p, t = primals
    terms = tangent(t, (lambda: jnp.exp(log_p) - t, tangents[0]), (lambda: log_gap(t, log_p), tangents[1]))
    return generalized_relative_entropy(log_p, t, axes), jnp.sum(terms, axes)


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def kl_rows(p: jax.Array, t: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    r"""$\sum_k t_k \log(t_k / p_k)$ from probabilities.

    The terms $t \log(t / p) - t + p$ are never negative; what they add, the sum of t - p, is nearly 0 for two
    distributions and is summed in twice the precision.
    """
    return jnp.sum(half_deviance_rate(p, t), axes) + _sum_of_differences(t, p, axes)


@rule(kl_rows)
def _kl_rows_jvp(axes, primals, tangents):
    p, t = primals
    terms = tangent(p, (lambda: -_share(t, p), tangents[0]), (lambda: log_gap_of_ratio(t, p) + 1, tangents[1]))
    return kl_rows(p, t, axes), jnp.sum(terms, axes)


@jax.custom_jvp
def _share(t: jax.Array, p: jax.Array) -> jax.Array:
    """$t / p$, with $0 / 0 = 0$."""
    return divide(t, p)


@rule(_share)
def _share_jvp(primals, tangents):
    t, p = primals
    inverse = divide((p != 0).astype(p.dtype), p)
    value = _share(t, p)
    return value, tangent(value, (lambda: inverse, tangents[0]), (lambda: -(t * inverse) * inverse, tangents[1]))


def _sum_of_differences(a: jax.Array, b: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """The sum of a - b over some axes, as if in twice the precision: halves added pairwise, with what rounding lost."""
    others = [i for i in range(a.ndim) if i not in axes]
    shape = [a.shape[i] for i in others] + [math.prod(a.shape[i] for i in axes)]
    flat = lambda x: jnp.transpose(x, (*others, *axes)).reshape(shape)  # noqa: E731
    high, low = two_sum(flat(a), -flat(b))
    # Halves of a sharded axis would move data between devices, and one of symbolic length has no halves.
    if is_split(a, axes) or not known(high.shape[-1]):
        return jnp.sum(high, -1) + jnp.sum(low, -1)
    while (n := high.shape[-1]) > 1:
        half = (n + 1) // 2
        pad = [(0, 0)] * (high.ndim - 1) + [(0, 2 * half - n)]
        high, low = jnp.pad(high, pad), jnp.pad(low, pad)
        high, lost = two_sum(high[..., :half], high[..., half:])
        low = low[..., :half] + low[..., half:] + lost
    return (high + low)[..., 0]


def gap_of_logs(log_p: jax.Array, log_q: jax.Array) -> jax.Array:
    r"""$\log p - \log q$, 0 where both are minus infinity."""
    absent, zero = (log_p == -jnp.inf) & (log_q == -jnp.inf), jnp.zeros_like(log_p)
    return jnp.where(absent, zero, log_p) - jnp.where(absent, zero, log_q)
