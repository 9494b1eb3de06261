r"""The likelihood of times that are known to an interval, from the hazard of each interval."""

from __future__ import annotations

import jax.numpy as jnp

from jaxloss import numerics
from jaxloss._arrays import same_shape
from jaxloss._class_form import class_form
from jaxloss._domain import outside_is_nan
from jaxloss._loss import Loss
from jaxloss._masks import inert
from jaxloss._rows import Rows, over_rows
from jaxloss._types import Array, Floats, Labels, Mask, Numbers
from jaxloss.losses._thresholds import threshold_rows
from jaxloss.losses.survival._cohorts import flags


@over_rows
def discrete_time_nll(logits: Floats, intervals: Labels, *, events: Numbers, where: Mask | None = None) -> Rows[Array]:
    r"""The negative log-likelihood of an event, or of none yet, in an interval j, from the log-odds x of hazards.

    `-sum(log(1 - h_k) for k < j) - log(h_j)` for an event in interval j, and `-sum(log(1 - h_k) for k <= j)` where it
    is censored there, with h = sigmoid(logits).

    $$\ell = \begin{cases} -\sum_{k < j} \log(1 - h_k) - \log h_j & \text{event in interval } j \\
        -\sum_{k \le j} \log(1 - h_k) & \text{censored in interval } j \end{cases}$$

    with the hazards $h_k = \sigma(x_k)$: the probability of the event in interval k, for who has had none before. An
    event in interval j means that intervals 0 to j - 1 were survived and that j was not; censored in interval j means
    that intervals 0 to j were survived. Who is lost within an interval that is not known to be survived is censored in
    the one before. Any log-odds, infinite ones too: what is certain and does not happen has an infinite loss. Later
    intervals are not looked at. An interval out of range has loss nan, and so has an event that is neither 0 nor 1.

    Args:
        logits: The log-odds of the hazard in each interval, `[..., intervals]`.
        intervals: The index of the last interval that is known of, the shape of `logits` without its last axis.
        events: 1 or True where the event was in that interval, 0 or False where the interval was survived.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.

    Returns:
        One value per sample, in nats: the shape of `intervals`.

    Raises:
        ValueError: Shapes that do not fit.
        TypeError: Logits that are not floats, intervals that are not integers.

    Example:
        >>> logits = jnp.array([[-2.0, -1.0, 0.0], [-2.0, -1.0, 0.0]])
        >>> losses = discrete_time_nll(logits, jnp.array([1, 1]), events=jnp.array([1, 0]))
        >>> print("{:.4f} {:.4f}".format(*losses))
        1.4402 0.4402

    Source: Singer and Willett, "It's about time: using discrete-time survival analysis to study duration and the timing
    of events", 1993.
    """
    name = "discrete_time_nll"
    rows = threshold_rows(name, logits, "intervals", intervals, where, beyond=0)
    happened, known = flags(name, events)
    same_shape(name, {"intervals": rows.levels, "events": happened})
    happened, known = (numerics.aligned_labels(rows.x, a, (rows.x.ndim - 1,)) for a in (happened, known))
    happened, known = inert(rows.mask, (happened, False), (known, True))
    rows = rows._replace(x=numerics.gated(rows.x, jnp.broadcast_to(known[..., None], rows.x.shape)))
    found = rows.finish(name, rows.at & happened[..., None], rows.before | rows.at)
    return Rows(outside_is_nan(name, found.losses, lambda: known, "events must be 0 or 1"), found.counting)


@class_form
class DiscreteTimeNLL(Loss):
    """Discrete-time survival likelihood: the class form of `discrete_time_nll`."""

    fn = staticmethod(discrete_time_nll)


__all__ = ["DiscreteTimeNLL", "discrete_time_nll"]
