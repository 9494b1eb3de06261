r"""Ordinal losses of binary tasks, one for each threshold between two neighbouring classes: CORAL and CORN."""

from __future__ import annotations

from jaxloss._class_form import class_form
from jaxloss._loss import Loss
from jaxloss._rows import Rows, over_rows
from jaxloss._types import Array, Floats, Labels, Mask
from jaxloss.losses._thresholds import threshold_rows


@over_rows
def coral_loss(logits: Floats, labels: Labels, *, where: Mask | None = None) -> Rows[Array]:
    r"""The cross-entropies of K - 1 binary tasks, each of which asks whether the class is above a threshold.

    `-sum(log(sigmoid(x[k])) for k < y) - sum(log(1 - sigmoid(x[k])) for k >= y)` with x = logits and y = labels.

    $$\ell = -\sum_{k < y} \log \sigma(x_k) - \sum_{k \ge y} \log(1 - \sigma(x_k))$$

    for a class y of the K classes 0 to K - 1. With logits that are one score plus K - 1 falling biases, the method's
    last layer, the probabilities of the tasks fall too, and are those of an order. Any logits, infinite ones too: a
    task that is certain and wrong has an infinite loss. A label out of range has loss nan.

    Args:
        logits: The log-odds that the class is above 0, above 1 and so on, `[..., K - 1]`.
        labels: The classes, from 0 to K - 1; the shape of `logits` without its last axis.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per sample, in nats: the shape of `labels`.

    Raises:
        ValueError: Shapes that do not fit.
        TypeError: Logits that are not floats, labels that are not integers.

    Example:
        >>> logits = jnp.array([[2.0, 0.0, -1.0], [2.0, 0.0, -1.0]])
        >>> print("{:.4f} {:.4f}".format(*coral_loss(logits, jnp.array([1, 3]))))
        1.1333 2.1333

    Source: Cao, Mirjalili and Raschka, "Rank consistent ordinal regression for neural networks with application to age
    estimation", 2020.
    """
    name = "coral_loss"
    rows = threshold_rows(name, logits, "labels", labels, where, beyond=1)
    return rows.finish(name, rows.before)


@over_rows
def corn_loss(logits: Floats, labels: Labels, *, where: Mask | None = None) -> Rows[Array]:
    r"""The cross-entropies of binary tasks, each of which asks of the classes above a threshold about the next one.

    `-sum(log(sigmoid(x[k])) for k < y) - (log(1 - sigmoid(x[y])) if y < K - 1 else 0)` with x = logits and y = labels.

    $$\ell = -\sum_{k < y} \log \sigma(x_k) - [y < K - 1] \log(1 - \sigma(x_y))$$

    for a class y of the K classes 0 to K - 1. The logits $x_k$ are log-odds that the class is above k, given that it is
    not below k; task k is asked of a sample if its class is k or above. The loss is the negative log-likelihood of the
    class, and the probability of a class above k is the product of $\sigma(x_0)$ to $\sigma(x_k)$. Any logits, infinite
    ones too: a task that is certain and wrong has an infinite loss. Tasks that are not asked are not looked at. A label
    out of range has loss nan.

    The mean is over the samples. `coral_pytorch` divides the sum of the losses by the number of tasks that are asked,
    which is another number for each batch: `CornLoss(reduction="sum")(logits, labels)` over
    `jnp.minimum(labels + 1, logits.shape[-1]).sum()` is its loss.

    Args:
        logits: The log-odds of each step to the next class, `[..., K - 1]`.
        labels: The classes, from 0 to K - 1; the shape of `logits` without its last axis.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per sample, in nats: the shape of `labels`.

    Raises:
        ValueError: Shapes that do not fit.
        TypeError: Logits that are not floats, labels that are not integers.

    Example:
        >>> logits = jnp.array([[2.0, 0.0, -1.0], [2.0, 0.0, -1.0]])
        >>> print("{:.4f} {:.4f}".format(*corn_loss(logits, jnp.array([1, 3]))))
        0.8201 2.1333

    Source: Shi, Cao and Raschka, "Deep neural networks for rank-consistent ordinal regression based on conditional
    probabilities", 2021.
    """
    name = "corn_loss"
    rows = threshold_rows(name, logits, "labels", labels, where, beyond=1)
    return rows.finish(name, rows.before, rows.before | rows.at)


@class_form
class CoralLoss(Loss):
    """CORAL: the class form of `coral_loss`."""

    fn = staticmethod(coral_loss)


@class_form
class CornLoss(Loss):
    """CORN: the class form of `corn_loss`."""

    fn = staticmethod(corn_loss)


__all__ = ["CoralLoss", "CornLoss", "coral_loss", "corn_loss"]
