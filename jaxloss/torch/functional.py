"""PyTorch's `torch.nn.functional` losses, by their names: `from jaxloss.torch import functional as F`."""

from jaxloss.torch.binary import binary_cross_entropy, binary_cross_entropy_with_logits
from jaxloss.torch.classification import cross_entropy, nll_loss
from jaxloss.torch.likelihood import gaussian_nll_loss, kl_div, poisson_nll_loss
from jaxloss.torch.regression import huber_loss, l1_loss, mse_loss, smooth_l1_loss
from jaxloss.torch.sequence import ctc_loss

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "ctc_loss",
    "gaussian_nll_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
]
