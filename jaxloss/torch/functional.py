"""PyTorch's `torch.nn.functional` losses, by their names: `from jaxloss.torch import functional as F`."""

from jaxloss.torch.binary import binary_cross_entropy, binary_cross_entropy_with_logits
from jaxloss.torch.classification import cross_entropy, nll_loss
from jaxloss.torch.embedding import cosine_embedding_loss, hinge_embedding_loss
from jaxloss.torch.last_layer import linear_cross_entropy
from jaxloss.torch.likelihood import gaussian_nll_loss, kl_div, poisson_nll_loss
from jaxloss.torch.margins import margin_ranking_loss, multi_margin_loss, soft_margin_loss
from jaxloss.torch.multilabel import multilabel_margin_loss, multilabel_soft_margin_loss
from jaxloss.torch.regression import huber_loss, l1_loss, mse_loss, smooth_l1_loss
from jaxloss.torch.sequence import ctc_loss
from jaxloss.torch.triplet import triplet_margin_loss, triplet_margin_with_distance_loss

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cosine_embedding_loss",
    "cross_entropy",
    "ctc_loss",
    "gaussian_nll_loss",
    "hinge_embedding_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "linear_cross_entropy",
    "margin_ranking_loss",
    "mse_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]


def __dir__() -> list[str]:
    return sorted(__all__)
