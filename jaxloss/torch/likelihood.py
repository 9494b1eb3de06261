r"""PyTorch's negative log-likelihoods of counts and of real numbers, and its divergence between distributions."""

from __future__ import annotations

import warnings
from dataclasses import InitVar, dataclass
from typing import Literal, TypeAlias, get_args

import jax.numpy as jnp
import numpy as np
from jax import lax

import jaxloss
from jaxloss._arrays import real
from jaxloss._domain import checked_only
from jaxloss._options import number, option
from jaxloss._types import Array, Floats, Numbers, Scalar
from jaxloss.torch._conventions import Reduction, broadcast, chosen, operands, reduced
from jaxloss.torch._loss import Loss, PairLoss

WithBatchmean: TypeAlias = Literal["none", "mean", "sum", "batchmean"]


def poisson_nll_loss(
    input: Floats,
    target: Numbers,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: Scalar = 1e-8,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
) -> Array:
    r"""The negative log-likelihood of counts k under Poisson laws, from log-rates x or rates r.

    $$\ell = e^x - k x \;[+ c(k)] \qquad \text{or} \qquad \ell = r - k \log(r + \varepsilon) \;[+ c(k)]$$

    with Stirling's $c(k) = k \log k - k + \frac12 \log 2 \pi k$ for counts above 1 and else 0. That is not the
    likelihood, which `jaxloss.poisson_nll` has as `full="exact"`.

    The reductions are `"none"`, `"mean"` and `"sum"`.

    Args:
        input: Log-rates, or rates with `log_input=False`; any shape.
        target: Counts, of a shape that broadcasts with `input`.
        log_input: Whether the input is log-rates.
        full: Whether to add Stirling's formula where the count is above 1.
        size_average: Deprecated; given, it and `reduce` override `reduction`.
        reduce: Deprecated, as `size_average`.
        eps: Added to the rate under the logarithm, with `log_input=False`.
        reduction: How the losses become one number, see above.

    Returns:
        A scalar; with `"none"` one value per element, in nats. A rate below 0 has loss nan, and so has a count below 0
        if `full`.

    Raises:
        ValueError: Shapes that do not broadcast, an option out of range, an unknown reduction.
        TypeError: An input that is not floats.

    Example:
        >>> print(poisson_nll_loss(jnp.array([0.0, 1.0]), jnp.array([1, 2]), full=True, reduction="none").round(4))
        [1.     1.3701]
    """
    name = "poisson_nll_loss"
    reduction = chosen(name, reduction, size_average, reduce)
    option(name, "full", full)
    option(name, "log_input", log_input)
    (x, k), dtype = operands(name, input=input, target=target)
    x, k = broadcast(name, input=x, target=k)
    offset = number(name, "eps", eps, x.dtype)
    constant = "stirling" if full else False
    x = x if log_input else checked_only(name, x, lambda: x >= 0, "input must be rates of at least 0")
    k = checked_only(name, k, lambda: k >= 0, "target must be counts of at least 0")
    return reduced(jaxloss.poisson_nll(x, k, log_input=log_input, full=constant, eps=offset), reduction, dtype)


def gaussian_nll_loss(
    input: Floats,
    target: Numbers,
    var: Numbers | float,
    full: bool = False,
    eps: Scalar = 1e-6,
    reduction: Reduction = "mean",
) -> Array:
    r"""The negative log-likelihood of targets y under Gaussian laws of mean x and variance v.

    $$\ell = \frac12 \left(\log \max(v, \varepsilon) + \frac{(x - y)^2}{\max(v, \varepsilon)}\right)
        \; \left[+ \frac12 \log 2 \pi\right]$$

    See `jaxloss.gaussian_nll`. The bound is not differentiated: the slope of a variance below it is that at the bound.

    The reductions are `"none"`, `"mean"` and `"sum"`.

    Args:
        input: Means, any shape.
        target: Targets, of a shape that broadcasts with `input`.
        var: Variances: of the shape of `input`, of that shape without its last axis, of that rank with length 1 on
            axes where they do not vary, or a number.
        full: Whether to add the constant.
        eps: The least variance; above 0.
        reduction: How the losses become one number, see above.

    Returns:
        A scalar; with `"none"` one value per element, in nats. A negative variance has loss nan.

    Raises:
        ValueError: Shapes that do not fit, a variance that is a negative number, an unknown reduction.
        TypeError: An input that is not floats.

    Example:
        >>> means, targets = jnp.array([2.0, 2.0]), jnp.array([0.0, 0.0])
        >>> print(gaussian_nll_loss(means, targets, jnp.array([1.0, 4.0]), reduction="none").round(4))
        [2.     1.1931]
    """
    name = "gaussian_nll_loss"
    reduction = chosen(name, reduction)
    option(name, "full", full)
    var = real(name, "var", var) if not isinstance(var, (int, float)) else var
    if np.ndim(var) == 0:
        # The number is taken in the dtype of computation: float16 would round it, or make it infinite.
        (x, y), dtype = operands(name, input=input, target=target)
        v = number(name, "var", var, x.dtype)
    else:
        (x, y, v), dtype = operands(name, input=input, target=target, var=var)
    if v.ndim and v.shape != x.shape:
        if v.shape == x.shape[:-1]:
            v = v[..., None]
        elif v.ndim != x.ndim or any(m not in (1, n) for n, m in zip(x.shape, v.shape, strict=True)):
            raise ValueError(
                f"{name}: var {v.shape} does not fit input {x.shape}: give it that shape, without its last axis or "
                "with 1 on axes where it does not vary, or a number."
            )
    least = number(name, "eps", eps, x.dtype)
    v = jnp.where((v >= 0) & (v < least), least + (v - lax.stop_gradient(v)), v)
    x, y, v = broadcast(name, input=x, target=y, var=v)
    v = checked_only(name, v, lambda: v > 0, "var must not be negative, nor 0 with an eps of 0")
    return reduced(jaxloss.gaussian_nll(x, y, variance=v, full=full), reduction, dtype)


def kl_div(
    input: Floats,
    target: Numbers,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: WithBatchmean = "mean",
    log_target: bool = False,
) -> Array:
    r"""The terms of the Kullback-Leibler divergence of predicted log-probabilities x from target probabilities t.

    $$\ell = t (\log t - x)$$

    See `jaxloss.kl_divergence`, which adds them up.

    The reductions are `"none"`, `"mean"`, `"sum"` and `"batchmean"`. Only the last, the sum over the length of the
    first axis, is the mean of divergences; the mean is over all elements, and gives a warning.

    Args:
        input: Log-probabilities, any shape.
        target: Probabilities, or their logarithms with `log_target`, of a shape that broadcasts with `input`.
        size_average: Deprecated; given, it and `reduce` override `reduction`.
        reduce: Deprecated, as `size_average`.
        reduction: How the losses become one number, see above.
        log_target: Whether the target is log-probabilities.

    Returns:
        A scalar; with `"none"` one value per element, in nats. A negative target has loss nan.

    Raises:
        ValueError: Shapes that do not broadcast, an unknown reduction.
        TypeError: An input that is not floats.

    Example:
        >>> halves, target = jnp.log(jnp.array([[0.5, 0.5]])), jnp.array([[1.0, 0.0]])
        >>> print(kl_div(halves, target, reduction="batchmean").round(4))
        0.6931
    """
    name = "kl_div"
    by_reduction = size_average is None and reduce is None
    reduction = chosen(name, reduction, size_average, reduce, get_args(WithBatchmean))
    if by_reduction and reduction == "mean":
        message = f"{name}: 'mean' divides by the number of elements; the mean of divergences is 'batchmean'."
        warnings.warn(message, UserWarning, stacklevel=3)
    option(name, "log_target", log_target)
    (x, t), dtype = operands(name, input=input, target=target)
    batch = x.shape[0] if x.ndim else 1
    x, t = broadcast(name, input=x, target=t)
    t = t if log_target else checked_only(name, t, lambda: ~(t < 0), "target must not be negative")
    divergence = jaxloss.kl_divergence_with_log_targets if log_target else jaxloss.kl_divergence
    values = divergence(x[..., None], t[..., None])  # a row of one outcome each
    if reduction == "batchmean":
        return reduced(values, "mean", dtype, jnp.full((1,), batch, values.dtype))
    return reduced(values, reduction, dtype)


@dataclass(frozen=True)
class PoissonNLLLoss(PairLoss):
    """The class form of `functional.poisson_nll_loss`."""

    fn = staticmethod(poisson_nll_loss)
    log_input: bool = True
    full: bool = False
    size_average: InitVar[bool | None] = None
    eps: Scalar = 1e-8
    reduce: InitVar[bool | None] = None
    reduction: Reduction = "mean"


@dataclass(frozen=True, kw_only=True)
class GaussianNLLLoss(Loss):
    """The class form of `functional.gaussian_nll_loss`."""

    fn = staticmethod(gaussian_nll_loss)
    full: bool = False
    eps: Scalar = 1e-6
    reduction: Reduction = "mean"

    def __call__(self, input: Floats, target: Numbers, var: Numbers | float) -> Array:
        """The reduced loss."""
        return self.forward(input, target, var)


@dataclass(frozen=True)
class KLDivLoss(PairLoss):
    """The class form of `functional.kl_div`."""

    fn = staticmethod(kl_div)
    reductions = get_args(WithBatchmean)
    size_average: InitVar[bool | None] = None
    reduce: InitVar[bool | None] = None
    reduction: WithBatchmean = "mean"
    log_target: bool = False


__all__ = [
    "GaussianNLLLoss",
    "KLDivLoss",
    "PoissonNLLLoss",
    "gaussian_nll_loss",
    "kl_div",
    "poisson_nll_loss",
]
