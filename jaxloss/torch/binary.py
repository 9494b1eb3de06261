"""PyTorch's cross-entropies of binary targets, from probabilities and from logits."""

from __future__ import annotations

from dataclasses import InitVar, dataclass

from jaxloss import numerics
from jaxloss._domain import checked_only, in_unit
from jaxloss._elements import Given, elementwise
from jaxloss._types import Array, Floats, Numbers
from jaxloss.torch._conventions import Reduction, chosen, expanded, operands, reduced, same_shape
from jaxloss.torch._loss import PairLoss


def binary_cross_entropy(
    input: Floats,
    target: Numbers,
    weight: Numbers | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
) -> Array:
    r"""The cross-entropy of binary targets y, each with a probability p.

    $$\ell = -w \left(y \max(\log p, -100) + (1 - y) \max(\log(1 - p), -100)\right)$$

    `jaxloss.binary_cross_entropy` is the same without the bounds. The slope is bounded too: the $p (1 - p)$ in its
    denominator is at least 1e-12.

    The reductions are `"none"`, `"mean"` (over the number of losses, weighted or not) and `"sum"`.

    Args:
        input: Probabilities, any shape.
        target: 0, 1 or a probability between them, of the shape of `input`.
        weight: The weights w, of a shape that broadcasts to that of `input`; 1 by default.
        size_average: Deprecated; given, it and `reduce` override `reduction`.
        reduce: Deprecated, as `size_average`.
        reduction: How the losses become one number, see above.

    Returns:
        A scalar; with `"none"` one value per element, in nats. An input or a target outside [0, 1] has loss nan.

    Raises:
        ValueError: Shapes that differ, a weight that does not fit, an unknown reduction.
        TypeError: An input that is not floats.

    Example:
        >>> print(binary_cross_entropy(jnp.array([0.5, 0.0]), jnp.array([1.0, 1.0]), reduction="none").round(4))
        [  0.6931 100.    ]
    """
    name = "binary_cross_entropy"
    reduction = chosen(name, reduction, size_average, reduce)
    (p, y), dtype = operands(name, input=input, target=target)
    same_shape(name, p, y)
    given = [Given("input", p, 0.5, in_unit, _INPUTS), Given("target", y, 0.5, in_unit, _TARGETS)]
    if weight is not None:
        given.append(Given("weight", expanded(name, "weight", weight, p), 1.0, option=True))
    elements = elementwise(name, None, *given)
    p, y, *weights = elements.arrays
    values = numerics.bounded_bernoulli_nll(p, y)
    for w in weights:
        values = values * w
    return reduced(elements.finish(values), reduction, dtype)


def binary_cross_entropy_with_logits(
    input: Floats,
    target: Numbers,
    weight: Numbers | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
    pos_weight: Numbers | None = None,
) -> Array:
    r"""The cross-entropy of binary targets y, each with a probability given by its logit x.

    $$\ell = -w \left(q y \log \sigma(x) + (1 - y) \log \sigma(-x)\right)$$

    See `jaxloss.sigmoid_binary_cross_entropy`. A target outside [0, 1] has the value that the formula gives it, as in
    PyTorch, and is an error under `jaxloss.checked`.

    The reductions are `"none"`, `"mean"` (over the number of losses, weighted or not) and `"sum"`.

    Args:
        input: Logits, any shape.
        target: 0, 1 or a probability between them, of the shape of `input`.
        weight: The weights w, of a shape that broadcasts to that of `input`; 1 by default.
        size_average: Deprecated; given, it and `reduce` override `reduction`.
        reduce: Deprecated, as `size_average`.
        reduction: How the losses become one number, see above.
        pos_weight: The weights q of the positives, of a shape that broadcasts to that of `input`; 1 by default.

    Returns:
        A scalar; with `"none"` one value per element, in nats.

    Raises:
        ValueError: Shapes that differ, weights that do not fit, an unknown reduction.
        TypeError: An input that is not floats.

    Example:
        >>> logits, targets = jnp.zeros((2, 2)), jnp.array([[1.0, 0.0], [1.0, 1.0]])
        >>> print(binary_cross_entropy_with_logits(logits, targets, pos_weight=jnp.array([3.0, 1.0])).round(4))
        1.3863
    """
    name = "binary_cross_entropy_with_logits"
    reduction = chosen(name, reduction, size_average, reduce)
    (x, y), dtype = operands(name, input=input, target=target)
    same_shape(name, x, y)
    x, y = numerics.aligned(x, y)
    # Not the native loss, whose pos_weight is one number, and whose labels outside [0, 1] are nan.
    positive = None if pos_weight is None else expanded(name, "pos_weight", pos_weight, x)
    values = numerics.sigmoid_nll(x, y, positive)
    values = values if weight is None else values * expanded(name, "weight", weight, values)
    return reduced(checked_only(name, values, lambda: in_unit(y), _TARGETS), reduction, dtype)


_INPUTS, _TARGETS = "input must be in [0, 1]", "target must be in [0, 1]"


@dataclass(frozen=True)
class BCELoss(PairLoss):
    """The class form of `functional.binary_cross_entropy`."""

    fn = staticmethod(binary_cross_entropy)
    weight: Numbers | None = None
    size_average: InitVar[bool | None] = None
    reduce: InitVar[bool | None] = None
    reduction: Reduction = "mean"


@dataclass(frozen=True)
class BCEWithLogitsLoss(PairLoss):
    """The class form of `functional.binary_cross_entropy_with_logits`."""

    fn = staticmethod(binary_cross_entropy_with_logits)
    weight: Numbers | None = None
    size_average: InitVar[bool | None] = None
    reduce: InitVar[bool | None] = None
    reduction: Reduction = "mean"
    pos_weight: Numbers | None = None


__all__ = ["BCELoss", "BCEWithLogitsLoss", "binary_cross_entropy", "binary_cross_entropy_with_logits"]
