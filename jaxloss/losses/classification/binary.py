r"""Binary cross-entropies, from logits and from probabilities."""

from __future__ import annotations

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._domain import in_unit
from jaxloss._elements import Given, binary, for_each_class
from jaxloss._loss import Loss
from jaxloss._types import Array, Floats, Mask, Numbers, Scalar


def sigmoid_binary_cross_entropy(
    logits: Floats,
    labels: Numbers,
    *,
    label_smoothing: Scalar = 0.0,
    pos_weight: Numbers | None = None,
    where: Mask | None = None,
) -> Array:
    r"""The cross-entropy of binary labels, each with a probability given by its logit.

    `-w * y * log(sigmoid(x)) - (1 - y) * log(sigmoid(-x))` with x = logits, y = labels and w = pos_weight.

    $$\ell = -w y \log \sigma(x) - (1 - y) \log \sigma(-x)$$

    with $\sigma(x) = 1 / (1 + e^{-x})$ and the `pos_weight` w. Any logit: an infinite one has loss 0 where it agrees
    with the label and an infinite loss elsewhere. A label outside [0, 1] has loss nan.

    Args:
        logits: Log-odds; any shape.
        labels: 0, 1 or a probability between them; of the shape of the first argument.
        label_smoothing: The share s of each label that goes to 1/2; in [0, 1].
        pos_weight: The weight of the positive labels, above 0: a scalar, or one for each class (the last axis).
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in nats.

    Raises:
        ValueError: Shapes that differ, an option out of range.
        TypeError: Logits that are not floats.

    Example:
        >>> print("{:.4g} {:.4g}".format(*sigmoid_binary_cross_entropy(jnp.array([0.0, 20.0]), jnp.array([1, 1]))))
        0.6931 2.061e-09

    Source: Cox, "The regression analysis of binary sequences", 1958.
    """
    name = "sigmoid_binary_cross_entropy"
    weight = () if pos_weight is None else _positive(name, pos_weight, logits)
    y, elements = binary(name, Given("logits", logits, 0.5), labels, label_smoothing, where, *weight)
    x, _, *weights = elements.arrays
    return elements.finish(numerics.sigmoid_nll(x, y, *weights))


def binary_cross_entropy(
    probabilities: Floats,
    labels: Numbers,
    *,
    label_smoothing: Scalar = 0.0,
    pos_weight: Numbers | None = None,
    where: Mask | None = None,
) -> Array:
    r"""The cross-entropy of binary labels y, each with a probability p.

    `-w * y * log(p) - (1 - y) * log(1 - p)` with p = probabilities, y = labels and w = pos_weight.

    $$\ell = -w y \log p - (1 - y) \log (1 - p)$$

    with the `pos_weight` w. Probabilities in [0, 1], both ends included: a certain prediction has loss 0 where it
    agrees with the label and an infinite loss elsewhere. A probability or a label outside [0, 1] has loss nan. If you
    have logits, `sigmoid_binary_cross_entropy` is more accurate: a probability near 1 is rounded.

    Args:
        probabilities: Any shape.
        labels: 0, 1 or a probability between them; of the shape of the first argument.
        label_smoothing: The share s of each label that goes to 1/2; in [0, 1].
        pos_weight: The weight of the positive labels, above 0: a scalar, or one for each class (the last axis).
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element, in nats.

    Raises:
        ValueError: Shapes that differ, an option out of range.
        TypeError: Probabilities that are not floats.

    Example:
        >>> print(binary_cross_entropy(jnp.array([0.5, 1.0]), jnp.array([1.0, 1.0])).round(4))
        [0.6931 0.    ]

    Source: Cox, "The regression analysis of binary sequences", 1958.
    """
    name = "binary_cross_entropy"
    given = Given("probabilities", probabilities, 0.5, in_unit, "probabilities must be in [0, 1]")
    weight = _positive(name, 1.0 if pos_weight is None else pos_weight, probabilities)
    y, elements = binary(name, given, labels, label_smoothing, where, *weight)
    p, _, w = elements.arrays
    return elements.finish(numerics.bernoulli_nll(p, y, w))


def _positive(name: str, pos_weight: Numbers, predictions: Floats) -> tuple[Given, ...]:
    return for_each_class(name, "pos_weight", pos_weight, predictions, 1.0)


@class_form
class SigmoidBinaryCrossEntropy(Loss):
    """Binary cross-entropy from logits: the class form of `sigmoid_binary_cross_entropy`."""

    fn = staticmethod(sigmoid_binary_cross_entropy)
    label_smoothing: Scalar = 0.0
    pos_weight: Numbers | None = None


@class_form
class BinaryCrossEntropy(Loss):
    """Binary cross-entropy from probabilities: the class form of `binary_cross_entropy`."""

    fn = staticmethod(binary_cross_entropy)
    label_smoothing: Scalar = 0.0
    pos_weight: Numbers | None = None


__all__ = [
    "BinaryCrossEntropy",
    "SigmoidBinaryCrossEntropy",
    "binary_cross_entropy",
    "sigmoid_binary_cross_entropy",
]
