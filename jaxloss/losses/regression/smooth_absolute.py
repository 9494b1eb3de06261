r"""The log-cosh loss: a smooth absolute error."""

from __future__ import annotations

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._elements import Given, elementwise
from jaxloss._loss import Loss
from jaxloss._types import Array, Floats, Mask, Numbers


def log_cosh(predictions: Floats, targets: Numbers | None = None, *, where: Mask | None = None) -> Array:
    r"""The logarithm of the hyperbolic cosine of the error: quadratic where it is small, linear where it is large.

    `log(cosh(e))`, which is `|e| + log((1 + exp(-2 * |e|)) / 2)`, with e = predictions - targets.

    $$\ell = \log \cosh e = |e| + \log \frac{1 + e^{-2 |e|}}{2}$$

    with $e = \text{prediction} - \text{target}$, any real number; its slope is $\tanh e$.

    Args:
        predictions: Any shape.
        targets: Of the shape of `predictions`; zeros if left out.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Predictions that are not floats.

    Example:
        >>> print("{:.4g} {:.4g}".format(*log_cosh(jnp.array([1e-4, 2.0]))))
        5e-09 1.325

    Source: Chen, Chen, Xu, "Log Hyperbolic Cosine Loss Improves Variational Auto-Encoder", 2019.
    """
    given = Given("predictions", predictions, 0.0), Given("targets", targets, 0.0, optional=True)
    elements = elementwise("log_cosh", where, *given)
    x, y = elements.arrays
    return elements.finish(numerics.log_cosh(x - y))


@class_form
class LogCosh(Loss):
    """Log-cosh loss: the class form of `log_cosh`."""

    fn = staticmethod(log_cosh)


__all__ = ["LogCosh", "log_cosh"]
