r"""The negative log-likelihood of vectors that follow a Gaussian law of a full covariance."""

from __future__ import annotations

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._arrays import floating, real, same_shape, wide
from jaxloss._class_form import class_form
from jaxloss._domain import required
from jaxloss._loss import Loss
from jaxloss._masks import kept, masked
from jaxloss._rows import Rows, over_rows, rows_of
from jaxloss._types import Array, Floats, Mask, Numbers


@over_rows
def multivariate_gaussian_nll(
    predictions: Floats, targets: Numbers, *, scale_tril: Numbers, where: Mask | None = None
) -> Rows[Array]:
    r"""The negative log-likelihood of vectors t under Gaussian laws of mean x and covariance L times its transpose.

    `|inverse(L) @ (x - t)|**2 / 2 + sum_i(log(L_ii)) + d / 2 * log(2 * pi)` with L = scale_tril and d the length of the
    vectors.

    $$\ell = \frac12 |L^{-1} (x - t)|^2 + \sum_i \log L_{ii} + \frac{d}{2} \log 2 \pi$$

    with a lower triangular L of positive diagonal, such as a Cholesky factor of the covariance; what stands above its
    diagonal is ignored and has slope 0. Any finite vectors. A row with an infinite element of a vector, or with an
    element of the diagonal that is not above 0, has loss nan.

    Args:
        predictions: The means, `[..., d]`.
        targets: The shape of `predictions`.
        scale_tril: The factors L, in the units of the predictions: `[..., d, d]` with the leading axes of
            `predictions`, with length 1 on those where they do not vary, or `[d, d]`.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per row, in nats; it may be negative, since a density may exceed 1.

    Raises:
        ValueError: Shapes that do not fit.
        TypeError: Predictions that are not floats.

    Example:
        >>> factor = jnp.array([[2.0, 0.0], [1.0, 0.5]])
        >>> print(multivariate_gaussian_nll(jnp.array([[2.0, 1.5]]), jnp.zeros((1, 2)), scale_tril=factor).round(4))
        [2.8379]

    Source: Anderson, "An Introduction to Multivariate Statistical Analysis", 2003, section 2.3.
    """
    name = "multivariate_gaussian_nll"
    x, t = floating(name, "predictions", predictions), real(name, "targets", targets)
    same_shape(name, {"predictions": x, "targets": t})
    factor = _factor(name, scale_tril, x)
    dtype = wide(*(a.dtype for a in (x, t, factor) if jnp.issubdtype(a.dtype, jnp.floating)))
    t = numerics.aligned(x, t)[1]
    rows = kept(name, where, x.shape[:-1])
    if rows is not None:
        x, t, factor = _where(rows, x, t, factor)
    # The cast comes after the filling: eagerly and under `jax_debug_nans`, a cast of a masked nan would be an error.
    x, t, factor = (a.astype(dtype) for a in (x, t, factor))
    inside = jnp.all(numerics.diagonal(factor) > 0, -1) & jnp.all(jnp.isfinite(x) & jnp.isfinite(t), -1)
    required(name, inside, "vectors must be finite and the diagonal of scale_tril above 0")
    x, t, factor = _where(inside, x, t, factor)
    losses = numerics.nan_unless(inside, numerics.triangular_nll(x - t, factor))
    return rows_of(masked(losses, rows), rows, ())


def _factor(name: str, scale_tril: Numbers, x: Array) -> Array:
    """The factors, checked, with the leading axes of the vectors."""
    factor = real(name, "scale_tril", scale_tril)
    along = factor.reshape((1,) * (x.ndim - 1) + factor.shape) if factor.ndim == 2 and x.ndim else factor
    shape = (*x.shape, *x.shape[-1:])
    leading = along.shape[:-2]
    fits = along.ndim == len(shape) and along.shape[-2:] == shape[-2:]
    if not (x.ndim and fits and all(n in (1, m) for n, m in zip(leading, shape, strict=False))):
        raise ValueError(
            f"{name}: predictions {x.shape} and scale_tril {factor.shape} do not fit: scale_tril may be of shape "
            f"{shape[-2:]}, or have the leading axes of the predictions before that, or 1 where it does not vary."
        )
    return jnp.broadcast_to(along, shape)


def _where(mask: Array, x: Array, t: Array, factor: Array) -> tuple[Array, Array, Array]:
    """Vectors of zeros and the identity where a row is left out."""
    of_vectors = jnp.expand_dims(mask, -1)
    matrices = numerics.or_identity(jnp.expand_dims(of_vectors, -1), factor)
    return numerics.keep(of_vectors, x), numerics.keep(of_vectors, t), matrices


@class_form
class MultivariateGaussianNLL(Loss):
    """Multivariate Gaussian negative log-likelihood: the class form of `multivariate_gaussian_nll`."""

    fn = staticmethod(multivariate_gaussian_nll)


__all__ = ["MultivariateGaussianNLL", "multivariate_gaussian_nll"]
