r"""The negative log-likelihood of a number of failures before a success."""

from __future__ import annotations

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._domain import finite_from_0
from jaxloss._elements import Given, elementwise
from jaxloss._loss import Loss
from jaxloss._types import Array, Floats, Mask, Numbers


def geometric_nll(logits: Floats, targets: Numbers, *, where: Mask | None = None) -> Array:
    r"""The negative log-likelihood of k failures before a success whose log-odds are x.

    `-log(sigmoid(x)) - k * log(sigmoid(-x))` with x = logits and k = targets.

    $$\ell = -\log \sigma(x) - k \log \sigma(-x)$$

    with $\sigma(x) = 1 / (1 + e^{-x})$. Any real logit, both infinities included: a certain success has loss 0 for a
    count of 0, and an impossible one an infinite loss. Counts from 0, fractional ones too; a negative count has loss
    nan. The mean of the law is $e^{-x}$.

    Args:
        logits: Log-odds of a success in each trial; any shape.
        targets: Numbers of failures, of the shape of `logits`.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in nats.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Logits that are not floats.

    Example:
        >>> print(geometric_nll(jnp.array([0.0, -2.0]), jnp.array([1, 7])).round(4))
        [1.3863 3.0154]

    Source: Feller, "An Introduction to Probability Theory and Its Applications", volume 1, 1968, section VI.8.
    """
    elements = elementwise(
        "geometric_nll",
        where,
        Given("logits", logits, 0.0),
        Given("targets", targets, 0.0, finite_from_0, "targets must be counts of at least 0"),
    )
    return elements.finish(numerics.failures_nll(*elements.arrays))


@class_form
class GeometricNLL(Loss):
    """Geometric negative log-likelihood: the class form of `geometric_nll`."""

    fn = staticmethod(geometric_nll)


__all__ = ["GeometricNLL", "geometric_nll"]
