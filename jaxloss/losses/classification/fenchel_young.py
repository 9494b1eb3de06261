r"""Fenchel-Young losses: one for every function that takes the maximum of scores, smoothed as one likes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._arrays import matched
from jaxloss._types import Array, Floats, Numbers


def make_fenchel_young_loss(max_fun: Callable[..., Any]) -> Callable[..., Array]:
    r"""The loss whose slope is that of a maximum less the targets.

    `max_fun(x) - sum_k(y[k] * x[k])` with x = scores and y = targets.

    $$\ell = \max{}_\Omega(x) - \langle y, x \rangle$$

    of a convex function $\max_\Omega$ of the scores: of the log-sum-exp it is the cross-entropy, of the maximum itself
    the perceptron's loss. The term $\Omega(y)$, which depends on the targets alone, is left out, so that the loss is 0
    at best for targets that are certain. What the maximum and the product have in common cancels:
    `softmax_cross_entropy` and `multiclass_sparsemax_loss` keep what confident examples lose here.

    Args:
        max_fun: From a row of scores, `[classes]`, to a number; the further arguments of the loss are passed on to it.

    Returns:
        A function of `scores`, `[..., classes]`, and `targets` of their shape, that has one value per row. A score of
        minus infinity and target 0 contributes 0.

    Raises:
        ValueError: By the loss: shapes that differ.
        TypeError: By the loss: scores that are not floats.

    Example:
        >>> loss = make_fenchel_young_loss(jax.nn.logsumexp)
        >>> print(f"{loss(jnp.array([2.0, 0.0, 0.0]), jnp.array([0.5, 0.5, 0.0])):.4f}")
        1.2395

    Source: Blondel, Martins, Niculae, "Learning with Fenchel-Young losses", 2020.
    """

    def fenchel_young_loss(scores: Floats, targets: Numbers, *args: Any, **kwargs: Any) -> Array:
        x, y = matched("fenchel_young_loss", scores, targets, ("scores", "targets"))
        maximum = jnp.vectorize(lambda row: max_fun(row, *args, **kwargs), signature="(n)->()")(x)
        return maximum - jnp.sum(numerics.weighed(y, x), -1)

    return fenchel_young_loss


__all__ = ["make_fenchel_young_loss"]
