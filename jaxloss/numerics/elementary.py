r"""Logarithms and exponentials to one unit in the last place, where XLA's are off by two to five.

They are computed from two series: $\log(1 + x) = 2 \operatorname{atanh}(s)$ with $s = x / (2 + x)$, and
$e^d = 1 + d + d^2 Q(d)$ for small d. Both are Taylor series, with as many terms as the dtype can hold.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax

from jaxloss.numerics._forms import form
from jaxloss.numerics._mesh import filled
from jaxloss.numerics._rule import rule
from jaxloss.numerics._storing import as_minimum


def polynomial(x: jax.Array, coefficients: list[float]) -> jax.Array:
    r"""$c_0 + c_1 x + c_2 x^2 + \dots$ by Horner's rule."""
    total = filled(x, coefficients[-1])
    number = total.dtype.type
    for coefficient in reversed(coefficients[:-1]):
        # Not by operators, which are functions under `jit`: of many terms they take twice as long to trace.
        total = lax.add(lax.mul(total, x), number(coefficient))
    return total


def atanh_tail(w: jax.Array, largest: float | int) -> jax.Array:
    r"""$(\operatorname{atanh}(s) / s - 1) / w = \sum_i w^i / (2 i + 3)$ with $w = s^2$, for w from 0 to `largest`."""
    terms = math.ceil(math.log(float(jnp.finfo(w.dtype).eps)) / math.log(largest))
    return polynomial(w, [1 / (2 * i + 3) for i in range(terms)])


def exp_tail(d: jax.Array, largest: float | int) -> jax.Array:
    r"""$Q(d) = (e^d - 1 - d) / d^2 = \sum_i d^i / (i + 2)!$ for d from minus `largest` to `largest`."""
    coefficients = [1 / math.factorial(i + 2) for i in range(30)]
    eps = float(jnp.finfo(d.dtype).eps)
    return polynomial(d, [c for i, c in enumerate(coefficients) if c * largest**i > eps / 8])


@form(jnp.divide)
def _quotient(x: jax.Array, y: jax.Array) -> jax.Array:
    """`x / y` by a reciprocal: XLA on CPU would store a quotient that is used twice.

    Measured: jaxlib 0.10.2, value and gradient of sigmoid_binary_cross_entropy 16M, the twin takes 1.4 times the CPU
    time and stores 134 MB, the form 67 MB.
    """
    return x * (1 / y)


def log1p_near(x: jax.Array) -> jax.Array:
    r"""$\log(1 + x)$ for x from -1/3 to 1, for values, not for slopes."""
    # log(1 + x) = 2 s + 2 s w a with w = s^2 and a the tail of atanh. Since 2 s = x - s x, it is x - s (x - 2 w a), in
    # which the largest term is x itself, without rounding.
    s = _quotient(x, 2 + x)
    w = s * s
    return x - s * (x - 2 * w * atanh_tail(w, 1 / 9))


@jax.custom_jvp
def log1p(x: jax.Array) -> jax.Array:
    r"""$\log(1 + x)$ for $x \ge -1$."""
    near = jnp.clip(x, -1 / 3, 1)
    return jnp.where(near == x, log1p_near(near), jnp.log(1 + x))


@rule(log1p)
def _log1p_jvp(primals, tangents):
    (x,) = primals
    return log1p(x), tangents[0] / (1 + x)


@jax.custom_jvp
def expm1(x: jax.Array) -> jax.Array:
    r"""$e^x - 1$."""
    d = jnp.clip(x, -1, 1)
    return jnp.where(d == x, d + d * d * exp_tail(d, 1), jnp.exp(x) - 1)


@rule(expm1)
def _expm1_jvp(primals, tangents):
    (x,) = primals
    return expm1(x), jnp.exp(x) * tangents[0]


def product_parts(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The product of finite numbers, cut by one bit, and its remainder, meaningless where the product overflows.

    For values, not for slopes.
    """
    # The rounding error of the product is computed from factors of half the digits, whose products are exact. The last
    # bit of the rounded product is cut by a mask: XLA could otherwise simplify the error to 0.
    product = leading(a * b, _digits(b) - 1)
    a_high, b_high = leading_half(a), leading_half(b)
    a_low, b_low = a - a_high, b - b_high
    lost = (a_high * b_high - jnp.where(jnp.isfinite(product), product, jnp.zeros_like(b))) + (
        a_high * b_low + a_low * b_high
    )
    return product, lost + a_low * b_low


def division_remainder(a: jax.Array, b: jax.Array, quotient: jax.Array) -> jax.Array:
    """`a - b * quotient` for the rounded quotient of a and b, from products of half the digits, which are exact.

    For values, not for slopes.
    """
    high, b_high = leading_half(quotient), leading_half(b)
    low, b_low = quotient - high, b - b_high
    return ((a - high * b_high) - (high * b_low + low * b_high)) - low * b_low


def exp_of_product(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""$e^{a b}$ for $b \le 0$, with 1 for $0 \cdot -\infty$: not the rounded product. For values, not for slopes."""
    finite = jnp.where(jnp.isfinite(b), b, jnp.zeros_like(b))
    product, lost = product_parts(a, finite)
    product = jnp.where((a == 0) | jnp.isfinite(b), product, a * b)
    # Far below, where the exponential is 0, the parts of the product may overflow.
    return jnp.exp(product) * (1 + jnp.where(product > -1e4, lost, jnp.zeros_like(lost)))


@jax.custom_jvp
def log_from_tiny(x: jax.Array) -> jax.Array:
    r"""$\log x$, constant below the smallest normal number: for slopes that are truly minus infinity at 0.

    The slope of $t \log t$ is such a one. Where t is a softmax, the chain rule multiplies it by t, and 0 times infinity
    would be nan where the truth is 0.
    """
    return jnp.log(from_tiny(x))


@rule(log_from_tiny)
def _log_from_tiny_jvp(primals, tangents):
    (x,) = primals
    return log_from_tiny(x), jnp.where(_is_tiny(x), jnp.zeros_like(x), 1 / from_tiny(x)) * tangents[0]


def _is_tiny(x: jax.Array) -> jax.Array:
    return x < float(jnp.finfo(x.dtype).tiny)


def from_tiny(x: jax.Array) -> jax.Array:
    """`x`, but at least the smallest normal number; no slope below that."""
    return jnp.where(_is_tiny(x), filled(x, jnp.finfo(x.dtype).tiny), x)


def minus_log(x: jax.Array, k: jax.Array) -> jax.Array:
    r"""$x - \log k$ for positive normal k, to the last bit of the difference. For values, not for slopes."""
    difference, low = minus_log_parts(x, k)
    return difference + low


def minus_log_parts(x: jax.Array, k: jax.Array) -> tuple[jax.Array, jax.Array]:
    r"""$x - \log k$ as a leading part, which is infinite where x is, and the rest of it; in float64 that is 0.

    In float32 the rounded logarithm of a count of 1e8 is off by 1e-6, which the Poisson deviance multiplies by the
    count. Here $\log k = e \log 2 + \log c + 2 \operatorname{atanh}(s)$, where e is the exponent of k, f its mantissa,
    c the nearest quarter to the mantissa, and $s = (f - c) / (f + c)$. Each number is held as a leading part of a few
    bits, whose sums and products are exact, and a remainder. Exact products are the same whether or not XLA contracts
    them into fused multiply-adds.
    """
    if k.dtype != jnp.float32:
        difference = x - jnp.log(k)
        return difference, jnp.zeros_like(difference)
    given, finite = x, jnp.isfinite(x)
    x = jnp.where(finite, x, jnp.zeros_like(x))
    bits = lax.bitcast_convert_type(k, jnp.int32)
    e = ((bits >> 23) - 127).astype(jnp.float32)
    f = lax.bitcast_convert_type((bits & 0x7FFFFF) | 0x3F800000, jnp.float32)
    quarter = ((bits & 0x7FFFFF) + 0x100000) >> 21
    c = 1 + quarter.astype(jnp.float32) / 4
    centres = [_centre(1 + i / 4) for i in range(5)]
    log_c, log_c_low = (_choose(quarter, column) for column in zip(*centres, strict=True))

    f_high = leading(f, 11)
    inverse = as_minimum(1 / (f + c), 1)
    s = (f - c) * inverse
    s_high = leading(s, 12)
    s_low = ((f - c - s_high * (f_high + c)) - s_high * (f - f_high)) * inverse
    tail = 2 * s * (s * s) * atanh_tail(s * s, 4e-3)

    difference, remainder = two_sum(x, -(e * _LN2[0] + log_c))
    for part in (e * _LN2[1], 2 * s_high):
        difference, lost = two_sum(difference, -part)
        remainder = remainder + lost
    remainder = remainder - (e * _LN2[2] + log_c_low + 2 * s_low + tail)
    return jnp.where(finite, difference, given), jnp.where(finite, remainder, jnp.zeros_like(x))


# log 2 in three parts, of 9 bits, of 15 bits, and the rest; the product of e and either of the first two is exact.
_LN2 = (355 / 512, -28480 / 2**27, math.log(2) - 355 / 512 + 28480 / 2**27)


def _centre(c: float) -> tuple[float, float]:
    """The logarithm of the centre c of an interval as a leading part of 17 bits and a remainder."""
    high = round(math.log(c) * 2**17) / 2**17  # whose sum with the leading part of e log 2 is exact: below 2^7
    return high, math.log(c) - high


def _choose(index: jax.Array, values: tuple[float, ...]) -> jax.Array:
    # A tree of selects, because a gather from a table is slow on TPUs and refused on meshes with explicit axes.
    return lax.select_n(index, *(filled(index, v, jnp.float32) for v in values))


def _digits(x: jax.Array) -> int:
    """The number of significant bits of a float."""
    return 24 if x.dtype == jnp.float32 else 53


def as_integers(x: jax.Array) -> jax.Array:
    """The bits of floats, as integers of their size."""
    return lax.bitcast_convert_type(x, jnp.int32 if x.dtype == jnp.float32 else jnp.int64)


def leading(x: jax.Array, bits: int) -> jax.Array:
    """`x` cut to its leading significant bits, by a mask: XLA would simplify arithmetic that does the same."""
    return lax.bitcast_convert_type(as_integers(x) & (-1 << (_digits(x) - bits)), x.dtype)


def leading_half(x: jax.Array) -> jax.Array:
    """`x` cut to half its significant bits: the product of two such numbers is exact."""
    return leading(x, _digits(x) // 2)


def rounded(x: jax.Array) -> jax.Array:
    r"""`x`, a result that XLA must round before it is used.

    It rewrites $(x + a) + b$ as $x + (a + b)$ where a and b are constants of the program, such as numbers computed from
    targets that are constants, and the rounding error of the first sum would be that of another one.
    """
    limits = jnp.finfo(x.dtype)
    return lax.reduce_precision(x, limits.nexp, limits.nmant)


def two_sum(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The rounded sum and its rounding error (Knuth)."""
    total = rounded(a + b)
    b_part = total - a
    return total, (a - (total - b_part)) + (b - b_part)
