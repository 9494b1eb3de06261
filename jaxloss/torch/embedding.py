r"""PyTorch's losses of pairs that are alike or not, told by a distance or by a cosine."""

from __future__ import annotations

from dataclasses import InitVar, dataclass

import jax.numpy as jnp

import jaxloss
from jaxloss._arrays import class_axes
from jaxloss._types import Array, Floats, Numbers, Scalar
from jaxloss.torch._conventions import Reduction, broadcast, chosen, expanded, operands, reduced, signed
from jaxloss.torch._loss import ComparingLoss, PairLoss


def hinge_embedding_loss(
    input: Floats,
    target: Numbers,
    margin: Scalar = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
) -> Array:
    r"""The distance of a pair that is alike, and what one that is not lacks of a distance of the margin.

    $$\ell = \begin{cases} x & y = 1 \\ \max(0, m - x) & y = -1 \end{cases}$$

    See `jaxloss.hinge_embedding_loss`.

    The reductions are `"none"`, `"mean"` and `"sum"`.

    Args:
        input: Distances, any shape.
        target: 1 where a pair is alike, -1 where it is not; of a shape that broadcasts with `input`.
        margin: The margin m, in the units of the distances.
        size_average: Deprecated; given, it and `reduce` override `reduction`.
        reduce: Deprecated, as `size_average`.
        reduction: How the losses become one number, see above.

    Returns:
        A scalar; with `"none"` one value per pair. A target other than 1 and -1 has loss nan.

    Raises:
        ValueError: Shapes that do not broadcast, a margin that is no number, an unknown reduction.
        TypeError: An input that is not floats.

    Example:
        >>> print(hinge_embedding_loss(jnp.array([0.25, 0.25, 2.0]), jnp.array([1, -1, -1]), reduction="none"))
        [0.25 0.75 0.  ]
    """
    name = "hinge_embedding_loss"
    reduction = chosen(name, reduction, size_average, reduce)
    (x,), dtype = operands(name, input=input)
    x, y = broadcast(name, input=x, target=signed(name, target))
    return reduced(jaxloss.hinge_embedding_loss(x, y, margin=margin), reduction, dtype)


def cosine_embedding_loss(
    input1: Floats,
    input2: Floats,
    target: Numbers,
    margin: Scalar = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: Reduction = "mean",
) -> Array:
    r"""The cosine distance of pairs that are alike, and what the similarity of other pairs exceeds a margin by.

    $$\ell = \begin{cases} 1 - \cos(x_1, x_2) & y = 1 \\ \max(0, \cos(x_1, x_2) - m) & y = -1 \end{cases}$$

    See `jaxloss.cosine_embedding_loss`. The cosine with a zero vector is 0.

    The reductions are `"none"`, `"mean"` and `"sum"`.

    Args:
        input1: Vectors, `(D,)` or `(N, D)`.
        input2: The vectors that they are compared with, of a shape that broadcasts with `input1`.
        target: 1 where a pair is alike, -1 where it is not; `()` or `(N,)`.
        margin: The similarity m up to which pairs that are not alike cost nothing; from -1 to 1.
        size_average: Deprecated; given, it and `reduce` override `reduction`.
        reduce: Deprecated, as `size_average`.
        reduction: How the losses become one number, see above.

    Returns:
        A scalar; with `"none"` one value per pair. A target other than 1 and -1, or a vector that is not finite, makes
        the loss nan.

    Raises:
        ValueError: Shapes that do not fit, a margin out of range, an unknown reduction.
        TypeError: Vectors that are not floats.

    Example:
        >>> x, y = jnp.array([[3.0, 4.0], [3.0, 4.0]]), jnp.array([[4.0, 3.0], [4.0, 3.0]])
        >>> losses = cosine_embedding_loss(x, y, jnp.array([1, -1]), margin=0.5, reduction="none")
        >>> print("{:.4g} {:.4g}".format(*losses))
        0.04 0.46
    """
    name = "cosine_embedding_loss"
    reduction = chosen(name, reduction, size_average, reduce)
    (a, b), dtype = operands(name, input1=input1, input2=input2)
    y = signed(name, target)
    if not a.ndim == b.ndim == y.ndim + 1 or y.ndim > 1:
        raise ValueError(
            f"{name}: input1, input2 and target must have shapes (D,), (D,) and (), or (N, D), (N, D) and (N,), got "
            f"{a.shape}, {b.shape} and {y.shape}."
        )
    a, b = broadcast(name, input1=a, input2=b)
    class_axes(name, "input1", a, -1)
    y = expanded(name, "target", y, jnp.zeros_like(a, shape=a.shape[:-1]))
    return reduced(jaxloss.cosine_embedding_loss(a, b, labels=y, margin=margin), reduction, dtype)


@dataclass(frozen=True)
class HingeEmbeddingLoss(PairLoss):
    """The class form of `functional.hinge_embedding_loss`."""

    fn = staticmethod(hinge_embedding_loss)
    margin: Scalar = 1.0
    size_average: InitVar[bool | None] = None
    reduce: InitVar[bool | None] = None
    reduction: Reduction = "mean"


@dataclass(frozen=True)
class CosineEmbeddingLoss(ComparingLoss):
    """The class form of `functional.cosine_embedding_loss`."""

    fn = staticmethod(cosine_embedding_loss)
    margin: Scalar = 0.0
    size_average: InitVar[bool | None] = None
    reduce: InitVar[bool | None] = None
    reduction: Reduction = "mean"


__all__ = ["CosineEmbeddingLoss", "HingeEmbeddingLoss", "cosine_embedding_loss", "hinge_embedding_loss"]
