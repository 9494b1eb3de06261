r"""The negative log-likelihood of values that follow Student's law: Gaussian in the middle, with heavy tails."""

from __future__ import annotations

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._elements import Given, elementwise
from jaxloss._loss import Loss
from jaxloss._types import Array, Floats, Mask, Numbers


def student_t_nll(
    predictions: Floats,
    targets: Numbers,
    *,
    degrees_of_freedom: Numbers,
    scale: Numbers,
    where: Mask | None = None,
) -> Array:
    r"""The negative log-likelihood of targets t under Student's laws of location x, scale s and degrees of freedom.

    `(nu + 1) / 2 * log(1 + z**2 / nu) + log(s) + log(pi * nu) / 2 + lgamma(nu / 2) - lgamma((nu + 1) / 2)` with
    z = (x - t) / s and nu = degrees_of_freedom.

    $$\ell = \frac{\nu + 1}{2} \log \left(1 + \frac{z^2}{\nu}\right) + \log s + \tfrac12 \log \pi \nu
    + \log \frac{\Gamma(\nu / 2)}{\Gamma((\nu + 1) / 2)}, \qquad z = \frac{x - t}{s}$$

    Any real location and target; an infinite error has an infinite loss. The degrees of freedom $\nu$ are above 0,
    infinity included, where the law is the Gaussian of deviation s; those of 1 are Cauchy's law. Scale and degrees of
    freedom of 0 or less have loss nan. All terms are exact for any degrees of freedom, and so is the slope in them,
    which falls as $1 / \nu^2$.

    Args:
        predictions: The locations; any shape.
        targets: The shape of `predictions`.
        degrees_of_freedom: The degrees of freedom $\nu$, above 0: of the shape of `predictions`, with length 1 on axes
            where they do not vary, or a scalar.
        scale: The scales s, above 0, in the units of the predictions: of the shape of `predictions`, with length 1 on
            axes where they do not vary, or a scalar.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in nats; it may be negative, since a density may exceed 1.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Predictions that are not floats.

    Example:
        >>> x, t = jnp.array([2.0, 2.0]), jnp.array([0.0, 0.0])
        >>> print(student_t_nll(x, t, degrees_of_freedom=jnp.array([1.0, jnp.inf]), scale=1.0).round(4))
        [2.7542 2.9189]

    Source: Lange, Little, Taylor, "Robust statistical modeling using the t distribution", 1989.
    """
    inside = lambda a: a > 0  # noqa: E731
    freedom = "degrees_of_freedom must be above 0"
    elements = elementwise(
        "student_t_nll",
        where,
        Given("predictions", predictions, 0.0),
        Given("targets", targets, 0.0),
        Given("degrees_of_freedom", degrees_of_freedom, 1.0, inside, freedom, broadcasts=True),
        Given("scale", scale, 1.0, inside, "scale must be above 0", broadcasts=True),
    )
    x, t, nu, s = elements.arrays
    return elements.finish(numerics.student_t_nll(x - t, nu, s))


@class_form
class StudentTNLL(Loss):
    """Student's negative log-likelihood: the class form of `student_t_nll`."""

    fn = staticmethod(student_t_nll)


__all__ = ["StudentTNLL", "student_t_nll"]
