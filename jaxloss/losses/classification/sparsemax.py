r"""Sparsemax losses: of probabilities that are the projection of the scores, and so may be exactly 0 or 1."""

from __future__ import annotations

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._elements import Given, binary
from jaxloss._loss import Loss
from jaxloss._rows import Rows, over_rows
from jaxloss._types import Array, Axes, Floats, Labels, Mask, Numbers
from jaxloss.losses._label_rows import label_rows


def sparsemax_loss(logits: Floats, labels: Numbers, *, where: Mask | None = None) -> Array:
    r"""The sparsemax loss of binary labels, 0 where the sparse probability of the logit is the label.

    `y * (y - 1 - x) if x <= -1 else (1 - y) * (x - y) if x >= 1 else (p - y)**2` with x = logits, y = labels and
    `p = (x + 1) / 2`.

    $$\ell = \begin{cases}
        y (y - 1 - x) & x \le -1 \\ (p - y)^2 & -1 < x < 1 \\ (1 - y)(x - y) & x \ge 1
    \end{cases}$$

    with the probability $p = (x + 1) / 2$, cut to [0, 1]; the slope is $p - y$. Any logit: an infinite one has loss 0
    where it agrees with the label and an infinite loss elsewhere. A label outside [0, 1] has loss nan.

    Args:
        logits: Any shape.
        labels: 0, 1 or a probability between them, of the shape of `logits`.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per element.

    Raises:
        ValueError: Shapes that differ.
        TypeError: Logits that are not floats.

    Example:
        >>> print(sparsemax_loss(jnp.array([0.0, 0.5, 2.0]), jnp.array([1, 1, 1])))
        [0.25   0.0625 0.    ]

    Source: Blondel, Martins, Niculae, "Learning with Fenchel-Young losses", 2020, section 4.4.
    """
    y, elements = binary("sparsemax_loss", Given("logits", logits, 0.0), labels, 0.0, where)
    return elements.finish(numerics.binary_sparsemax_nll(elements.arrays[0], y))


@over_rows
def multiclass_sparsemax_loss(
    scores: Floats,
    labels: Labels,
    *,
    axis: Axes = -1,
    where: Mask | None = None,
    ignore_index: int | None = None,
) -> Rows[Array]:
    r"""The sparsemax loss of a class index t, 0 where its score is above every other by a margin of at least 1.

    `|p - e|**2 / 2 + max(0, tau - x[t])` with x = scores, t = labels, `p = max(0, x - tau)`, the threshold tau for
    which p sums to 1, and the one-hot vector e of t.

    $$\ell = \tfrac12 \|p - e_t\|^2 + \max(0, \tau - x_t)$$

    with the sparsemax $p_j = \max(0, x_j - \tau)$, whose threshold $\tau$ makes it sum to 1, and the unit vector e of
    the label; it is $\frac12 \sum_{j: p_j > 0} (x_j^2 - \tau^2) + \frac12 - x_t$ without the cancellation. The slope
    is $p - e_t$, and the second derivative that of the projection: $\delta_{jk} - 1/n$ between the n classes of the
    support. Any scores, minus infinity included: such a class is absent, and an infinite loss as the label. A label
    outside 0 to C - 1 has loss nan.

    Args:
        scores: `[..., classes]`.
        labels: Class indices, of the shape of `scores` without `axis`.
        axis: The axis of a row, or axes that are taken together; None takes all.
        where: True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere
            loss and gradient are 0.
        ignore_index: A label to leave out: its rows have loss and gradient 0.

    Returns:
        One value per row.

    Raises:
        ValueError: Shapes that do not fit, an axis out of range.
        TypeError: Scores that are not floats, labels that are not integers.

    Example:
        >>> print(multiclass_sparsemax_loss(jnp.array([[0.5, 0.25, -1.0], [2.0, 0.0, 0.5]]), jnp.array([0, 0])))
        [0.140625 0.      ]

    Source: Martins, Astudillo, "From Softmax to Sparsemax: A Sparse Model of Attention and Multi-Label Classification",
    2016; for the threshold Michelot, "A finite algorithm for finding the projection of a point onto the canonical
    simplex", 1986.
    """
    name = "multiclass_sparsemax_loss"
    rows = label_rows(name, "scores", scores, labels, axis, where, ignore_index)
    return rows.counting(name, numerics.sparsemax_nll(rows.x, rows.labels, rows.axis))


@class_form
class SparsemaxLoss(Loss):
    """The class form of `sparsemax_loss`."""

    fn = staticmethod(sparsemax_loss)


@class_form
class MulticlassSparsemaxLoss(Loss):
    """The class form of `multiclass_sparsemax_loss`."""

    fn = staticmethod(multiclass_sparsemax_loss)
    axis: Axes = -1
    ignore_index: int | None = None


__all__ = ["MulticlassSparsemaxLoss", "SparsemaxLoss", "multiclass_sparsemax_loss", "sparsemax_loss"]
