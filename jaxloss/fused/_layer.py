r"""The records that the fused losses share: a last layer, its static configuration, and the sums over its logits.

The cross-entropy of a token depends on three numbers of its logits $z_k$: $r = \log \sum_{k \ne t} e^{z_k}$ over the
classes but the label t, the label's logit $z_t$, and $\sum_k b_k z_k$ with the factors b of a smoothed label. The
label is left out of the first sum because the loss of a confident token, $\log(1 + e^{r - z_t})$, would be lost in the
difference between two sums over all classes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

ABSENT = -1
"""The label of a token whose class is not among the classes at hand."""
OVERLAP = -2
"""The index of a class that an earlier chunk has already taken."""


class Head(NamedTuple):
    """The arrays of a last layer."""

    kernel: jax.Array  # [D, V] or [V, D]
    bias: jax.Array | None  # [V]
    factors: jax.Array | None  # the factor b of each logit in a smoothed label, [V]
    cap: jax.Array | None  # a scalar
    mask: jax.Array | None  # which classes exist, [V]


class Static(NamedTuple):
    """The static configuration of a last layer."""

    layout: str
    multiply: Any  # the dtype of the factors of the matrix products
    add: Any  # the dtype of their sums, and of everything after them

    @property
    def width_axis(self) -> int:
        """The axis of the features in the kernel."""
        return self.layout.index("d")

    @property
    def class_axis(self) -> int:
        """The axis of the classes in the kernel."""
        return self.layout.index("v")


class Sums(NamedTuple):
    """The three numbers of each token from which its loss is computed, [N]."""

    log_rest: jax.Array  # the log-sum-exp over the classes but the label
    label_logit: jax.Array  # 0 where the label is absent
    weighted_sum: jax.Array  # the sum of the logits times their factors, 0 without factors


__all__ = ["ABSENT", "OVERLAP", "Head", "Static", "Sums"]
