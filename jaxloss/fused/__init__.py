"""Losses that swallow the last layer, so that its logits need not be held."""

from jaxloss.fused.linear_cross_entropy import LinearAux, LinearSoftmaxCrossEntropy, linear_softmax_cross_entropy
from jaxloss.fused.logsumexp_and_target import linear_logsumexp_and_target
from jaxloss.fused.sharded import shard_linear_softmax_cross_entropy

__all__ = [
    "LinearAux",
    "LinearSoftmaxCrossEntropy",
    "linear_logsumexp_and_target",
    "linear_softmax_cross_entropy",
    "shard_linear_softmax_cross_entropy",
]
