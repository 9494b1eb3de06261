r"""Cox's partial likelihood: which of the samples at risk had the event, whatever the baseline hazard."""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax

from jaxloss import numerics
from jaxloss._class_form import class_form
from jaxloss._loss import Loss
from jaxloss._masks import masked
from jaxloss._options import option
from jaxloss._program import one_program
from jaxloss._rows import Rows, over_rows
from jaxloss._types import Array, AxisName, Floats, Labels, Mask, Numbers, Ties
from jaxloss.losses.survival._cohorts import Cohort, cohorts


@over_rows
def cox_partial_likelihood(
    log_hazards: Floats,
    times: Numbers,
    *,
    events: Numbers,
    ties: Ties = "efron",
    strata: Labels | None = None,
    entry: Numbers | None = None,
    where: Mask | None = None,
    batch_axis_name: AxisName = None,
) -> Rows[Array]:
    r"""The negative log partial likelihood of Cox's proportional hazards, one share of it for each event.

    `log(sum_j(exp(x_j))) - x_i` for an event i, with x = log_hazards and j over the samples at risk. For events of
    equal time, `ties="efron"` takes the mean of logarithms of sums that leave out a growing share of those events.

    $$\ell_i = \frac{1}{d} \sum_{l = 0}^{d - 1} \log\Big(\sum_{j \in R_i} e^{x_j}
        - \frac{l}{d} \sum_{j \in D_i} e^{x_j}\Big) - x_i$$

    with the log-hazards x. $R_i$ are the samples at risk at the time of event i: those of its stratum whose own time is
    not before it and whose entry is before it. $D_i$ are the d events of that stratum and time, i among them. With
    `ties="breslow"` the second sum is left out, and the loss is $\log \sum_{j \in R_i} e^{x_j} - x_i$. A sample without
    event has loss 0, and is in the risk sets of others. The sum of the losses is the negative log partial likelihood.

    The last axis is a cohort, any axes before it are further cohorts. Any finite log-hazards, any times, infinite ones
    too. A log-hazard that is not finite, a time that is nan, an event that is neither 0 nor 1 and an entry that is not
    before the time make all losses of their cohort nan. A masked sample is in no risk set. The losses do not depend on
    the order of the samples. Times, entries, events and strata have no slopes.

    With `batch_axis_name` every device gathers the arrays of all devices, each once, and computes the
    losses of all, of which it returns its own. The work is one sort and a few running sums; with `entry`, two sorts and
    a running sum for each binary digit of the number of samples.

    Args:
        log_hazards: The logarithm of each sample's relative hazard, `[..., samples]`.
        times: When the event was, or when the sample was last seen without; the shape of `log_hazards`.
        events: 1 or True where the sample had the event at its time, 0 or False where it was censored.
        ties: How events of one time are counted: `"efron"` or `"breslow"`.
        strata: Integer labels of strata, each with a baseline hazard of its own; one stratum by default.
        entry: When each sample came under observation (left truncation); from the start by default.
        where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.
        batch_axis_name: Mesh axes over which the batch is spread, inside `shard_map`; the loss is that of all samples.

    Returns:
        One value per sample, in nats, 0 without event. The class form's mean is over the events. With ties, a loss
        may be below 0, their sum is not.

    Raises:
        ValueError: Shapes that differ, an unknown `ties`, a mesh axis that is not bound.
        TypeError: Log-hazards that are not floats, strata that are not integers.

    Example:
        >>> x, times = jnp.array([0.0, 1.0, -1.0, 0.5]), jnp.array([3.0, 1.0, 4.0, 1.0])
        >>> losses = cox_partial_likelihood(x, times, events=jnp.array([1, 1, 0, 1]))
        >>> print("{:.4f} {:.4f} {:.4f} {:.4f}".format(*losses))
        0.3133 0.5070 0.0000 1.0070

    Source: Cox, "Partial likelihood", 1975; Efron, "The efficiency of Cox's likelihood function for censored data",
    1977; Breslow, "Covariance analysis of censored survival data", 1974.
    """
    name = "cox_partial_likelihood"
    efron = option(name, "ties", ties) == "efron"
    own, everyone, start, valid, mask = cohorts(name, log_hazards, times, events, strata, entry, where, batch_axis_name)

    losses = numerics.automatic(lambda of: _of_all(of, efron=efron), own.x, everyone)
    if batch_axis_name is not None:
        losses = lax.dynamic_slice_in_dim(losses, start, own.x.shape[-1], losses.ndim - 1)
    losses = numerics.nan_unless(valid, masked(losses, own.events))
    # A cohort that is not valid shows its nan in the mean even without an event.
    return Rows(masked(losses, mask), own.counts & (own.events | ~valid))


@one_program("efron")
def _of_all(of: Cohort, efron: bool) -> Array:
    """The losses of all samples of the cohorts, in their own order."""
    order = numerics.risk_order(of.times, of.events, of.counts, of.strata, of.entry)
    x = jnp.take_along_axis(of.x, order.sample, -1, mode="promise_in_bounds")
    return jnp.take_along_axis(numerics.partial_nll(x, order, efron), order.place, -1, mode="promise_in_bounds")


@class_form
class CoxPartialLikelihood(Loss):
    """Cox partial likelihood: the class form of `cox_partial_likelihood`."""

    fn = staticmethod(cox_partial_likelihood)
    ties: Ties = "efron"
    batch_axis_name: AxisName = None


__all__ = ["CoxPartialLikelihood", "cox_partial_likelihood"]
