"""PyTorch's losses for JAX: `import jaxloss.torch as nn` and `from jaxloss.torch import functional as F`.

The names, the order of the arguments, the defaults, the rules of broadcasting and clipping, both kinds of weighted mean
and the dtype of the result are PyTorch's; PyTorch itself is not needed. A class form is a value, not a module: frozen,
hashable, comparable, a pytree, with `get_config` and `from_config`. What differs, all of it on purpose:

- The mean of nothing (an empty batch, every target ignored, weights that add up to 0) is 0, not nan.
- A row whose target is `ignore_index` is inert: nan in it reaches no gradient.
- Terms that are 0 in the limit are 0, not nan: a logit or log-probability of minus infinity under a target without
  mass, a log-target of minus infinity. A CTC sequence without an alignment has gradient 0, not nan.
- Values for which PyTorch raises, or reads past an array, make their own element nan, and are an error under
  `jaxloss.checked`: a class index out of range, a CTC label that is the blank, lengths that do not fit, a probability
  outside [0, 1], a negative variance. So is a negative rate of `poisson_nll_loss`, a negative count if `full`, a target
  of `multilabel_soft_margin_loss` outside [0, 1], and a target that is not 1 or -1 where it must be one of them.
- `ctc_loss` normalises its input, which leaves log-probabilities as they are. For other inputs the value and the
  gradient of PyTorch do not belong together.
- float16 and bfloat16 are computed in float32, and rounded once, to the dtype of the result, which no weight widens.
- At its kink the slope of `hinge_embedding_loss`, `margin_ranking_loss` and `cosine_embedding_loss` is 0, and not that
  of the side where the loss is above 0. `soft_margin_loss` does not overflow.
- `cosine_embedding_loss` adds nothing to the squared lengths, and has finite slopes at zero vectors.
- The slope of `triplet_margin_loss` at two equal vectors is finite, and its kink has slope 0; the margin may be 0.
- `linear_cross_entropy` never holds all logits of class indices, whatever its options, smooths labels without holding
  them either, and has derivatives of every kind. `LinearCrossEntropyLoss` holds no weights: it takes them when it is
  called, and has no other arguments than its options.
- `AdaptiveLogSoftmaxWithLoss` holds no parameters: `init` makes them, by the names of PyTorch's `state_dict`, whose
  values are taken too, and each call takes them first. A cluster without a feature is refused.
- Integers of any width are class indices, and targets of any real dtype are taken.
- `multilabel_margin_loss` does not look at what follows the first -1 of a row, which PyTorch refuses out of range.
- `gaussian_nll_loss` takes a variance that is the same along several axes, and one number in an array.
- `size_average` and `reduce` give a DeprecationWarning, and override `"batchmean"` in `kl_div` as in `KLDivLoss`.
- Options that no loss can have are refused when a class form is made or called, with a message that says why.
"""

from jaxloss._answers import answer_in as _answer_in
from jaxloss.torch import functional
from jaxloss.torch._loss import Loss
from jaxloss.torch.adaptive import AdaptiveLogSoftmaxWithLoss
from jaxloss.torch.binary import BCELoss, BCEWithLogitsLoss
from jaxloss.torch.classification import CrossEntropyLoss, NLLLoss
from jaxloss.torch.embedding import CosineEmbeddingLoss, HingeEmbeddingLoss
from jaxloss.torch.last_layer import LinearCrossEntropyLoss, LinearCrossEntropyOptions
from jaxloss.torch.likelihood import GaussianNLLLoss, KLDivLoss, PoissonNLLLoss
from jaxloss.torch.margins import MarginRankingLoss, MultiMarginLoss, SoftMarginLoss
from jaxloss.torch.multilabel import MultiLabelMarginLoss, MultiLabelSoftMarginLoss
from jaxloss.torch.regression import HuberLoss, L1Loss, MSELoss, SmoothL1Loss
from jaxloss.torch.sequence import CTCLoss
from jaxloss.torch.triplet import TripletMarginLoss, TripletMarginWithDistanceLoss

__all__ = [
    "AdaptiveLogSoftmaxWithLoss",
    "BCELoss",
    "BCEWithLogitsLoss",
    "CTCLoss",
    "CosineEmbeddingLoss",
    "CrossEntropyLoss",
    "GaussianNLLLoss",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "LinearCrossEntropyLoss",
    "LinearCrossEntropyOptions",
    "Loss",
    "MSELoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "NLLLoss",
    "PoissonNLLLoss",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
    "functional",
]


def __dir__() -> list[str]:
    return sorted(__all__)


_answer_in(functional.__name__, __name__)
