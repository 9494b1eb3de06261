r"""The negative log-likelihood of values that follow Laplace's law: the absolute error with a scale of its own."""

from __future__ import annotations

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._elements import Given, elementwise
from jaxloss._loss import Loss
from jaxloss._types import Array, Floats, Mask, Numbers


def laplace_nll(predictions: Floats, targets: Numbers, *, scale: Numbers, where: Mask | None = None) -> Array:
    r"""The negative log-likelihood of targets t under Laplace's laws of median x and scale b.

    `log(2 * b) + |x - t| / b` with x = predictions, t = targets and b = scale.

    $$\ell = \log 2 b + \frac{|x - t|}{b}$$

    Any real median and target; an infinite error has an infinite loss, and where there is no error the slope in the
    median is 0. The scale, which is the mean absolute error, must be above 0: elsewhere the loss is nan.

    Args:
        predictions: The medians; any shape.
        targets: The shape of `predictions`.
        scale: The scales b, above 0, in the units of the predictions: of the shape of `predictions`, with length 1 on
            axes where they do not vary, or a scalar.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in nats; it may be negative, since a density may exceed 1.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Predictions that are not floats.

    Example:
        >>> print(laplace_nll(jnp.array([1.0, 1.0]), jnp.array([0.0, 1.0]), scale=0.5).round(4))
        [2. 0.]

    Source: Laplace, "Mémoire sur la probabilité des causes par les évènemens", 1774.
    """
    elements = elementwise(
        "laplace_nll",
        where,
        Given("predictions", predictions, 0.0),
        Given("targets", targets, 0.0),
        Given("scale", scale, 1.0, lambda b: b > 0, "scale must be above 0", broadcasts=True),
    )
    x, t, b = elements.arrays
    return elements.finish(numerics.laplace_nll(x - t, b))


@class_form
class LaplaceNLL(Loss):
    """Laplace negative log-likelihood: the class form of `laplace_nll`."""

    fn = staticmethod(laplace_nll)


__all__ = ["LaplaceNLL", "laplace_nll"]
