r"""The negative log-likelihood of angles that follow the law of von Mises, the Gaussian of the circle."""

from __future__ import annotations

import math

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._domain import finite_from_0
from jaxloss._elements import Given, elementwise
from jaxloss._loss import Loss
from jaxloss._types import Array, Floats, Mask, Numbers


def von_mises_nll(predictions: Floats, targets: Numbers, *, concentration: Numbers, where: Mask | None = None) -> Array:
    r"""The negative log-likelihood of angles t under von Mises laws of mean direction x and concentration kappa.

    `log(2 * pi * I0(kappa)) - kappa * cos(x - t)` with kappa = concentration and I0 the modified Bessel function of
    order 0.

    $$\ell = \log 2 \pi I_0(\kappa) - \kappa \cos(x - t)$$

    with the modified Bessel function $I_0$. A concentration of 0 is the uniform law on the circle; a large one is close
    to the Gaussian of variance $1 / \kappa$, and the loss is then exact too: neither the logarithm, which is near
    $\kappa$, nor the cosine, which is near 1, is formed. Angles are in radians, any finite number of turns, and those
    that are whole turns apart are the same angle. Up to 2000 turns between x and t lose nothing; beyond that the
    difference, whose last digit is a thousandth of a turn or more, is not resolved. Infinite angles, and concentrations
    that are infinite or below 0, have loss nan.

    Args:
        predictions: Mean directions in radians; any shape.
        targets: Angles in radians, of the shape of `predictions`.
        concentration: The concentration $\kappa$, at least 0: of the shape of `predictions`, with length 1 on axes
            where it does not vary, or a scalar.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in nats; it may be negative, since a density may exceed 1.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Predictions that are not floats.

    Example:
        >>> concentration = jnp.array([0.0, 2.0])
        >>> losses = von_mises_nll(jnp.array([0.5, 0.5]), jnp.array([3.0, 1.0]), concentration=concentration)
        >>> print("{:.4f} {:.4f}".format(*losses))
        1.8379 0.9067

    Source: von Mises, "Über die Ganzzahligkeit der Atomgewichte und verwandte Fragen", 1918.
    """
    rule = "concentration must be at least 0 and finite"
    elements = elementwise(
        "von_mises_nll",
        where,
        Given("predictions", predictions, 0.0, jnp.isfinite, "predictions must be finite angles"),
        Given("targets", targets, 0.0, jnp.isfinite, "targets must be finite angles"),
        Given("concentration", concentration, 1.0, finite_from_0, rule, broadcasts=True),
    )
    x, t, k = elements.arrays
    return elements.finish(k * numerics.versine(x, t) + (numerics.log_scaled_i0(k) + math.log(2 * math.pi)))


@class_form
class VonMisesNLL(Loss):
    """Von Mises negative log-likelihood: the class form of `von_mises_nll`."""

    fn = staticmethod(von_mises_nll)


__all__ = ["VonMisesNLL", "von_mises_nll"]
