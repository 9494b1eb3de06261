"""Losses for JAX: exact, inert under masks, with one meaning of the mean."""

import typing as _typing

import jaxloss._answers as _answers
import jaxloss._names as _names
from jaxloss._checked import checked
from jaxloss._loss import Loss, LossSum
from jaxloss._reduce import reduce, total
from jaxloss.fused.linear_cross_entropy import (
    LinearSoftmaxCrossEntropy,
    linear_softmax_cross_entropy,
)
from jaxloss.fused.logsumexp_and_target import (
    linear_logsumexp_and_target,
)
from jaxloss.fused.sharded import (
    shard_linear_softmax_cross_entropy,
)
from jaxloss.losses.binary import (
    BinaryCrossEntropy,
    SigmoidBinaryCrossEntropy,
    binary_cross_entropy,
    sigmoid_binary_cross_entropy,
)
from jaxloss.losses.cross_entropy import (
    SoftmaxAux,
    SoftmaxCrossEntropy,
    SoftmaxCrossEntropyWithIntegerLabels,
    log_softmax,
    smooth_labels,
    softmax_cross_entropy,
    softmax_cross_entropy_with_integer_labels,
)
from jaxloss.losses.ctc import (
    CTCLoss,
    ctc_loss,
)
from jaxloss.losses.divergence import (
    GeneralizedKLDivergence,
    KLDivergence,
    KLDivergenceFromProbabilities,
    KLDivergenceWithLogTargets,
    generalized_kl_divergence,
    kl_divergence,
    kl_divergence_from_probabilities,
    kl_divergence_with_log_targets,
)
from jaxloss.losses.focal import (
    SigmoidFocalLoss,
    SoftmaxFocalLoss,
    sigmoid_focal_loss,
    softmax_focal_loss,
)
from jaxloss.losses.gaussian import (
    GaussianNLL,
    gaussian_nll,
)
from jaxloss.losses.huber import (
    HuberLoss,
    huber_loss,
)
from jaxloss.losses.jensen_shannon import (
    JSDivergence,
    JSDivergenceFromLogits,
    js_divergence,
    js_divergence_from_logits,
)
from jaxloss.losses.log_cosh import (
    LogCosh,
    log_cosh,
)
from jaxloss.losses.poisson import (
    PoissonDeviance,
    PoissonNLL,
    poisson_deviance,
    poisson_nll,
)
from jaxloss.losses.probabilities import (
    CategoricalCrossEntropy,
    NLLLoss,
    SparseCategoricalCrossEntropy,
    categorical_cross_entropy,
    nll_loss,
    sparse_categorical_cross_entropy,
)
from jaxloss.losses.squared import (
    AbsoluteError,
    L2Loss,
    SquaredError,
    absolute_error,
    l2_loss,
    squared_error,
)

__version__ = "0.1.0"

__all__ = [
    "AbsoluteError",
    "BinaryCrossEntropy",
    "CTCLoss",
    "CategoricalCrossEntropy",
    "GaussianNLL",
    "GeneralizedKLDivergence",
    "HuberLoss",
    "JSDivergence",
    "JSDivergenceFromLogits",
    "KLDivergence",
    "KLDivergenceFromProbabilities",
    "KLDivergenceWithLogTargets",
    "L2Loss",
    "LinearSoftmaxCrossEntropy",
    "LogCosh",
    "Loss",
    "LossSum",
    "NLLLoss",
    "PoissonDeviance",
    "PoissonNLL",
    "SigmoidBinaryCrossEntropy",
    "SigmoidFocalLoss",
    "SoftmaxAux",
    "SoftmaxCrossEntropy",
    "SoftmaxCrossEntropyWithIntegerLabels",
    "SoftmaxFocalLoss",
    "SparseCategoricalCrossEntropy",
    "SquaredError",
    "absolute_error",
    "binary_cross_entropy",
    "categorical_cross_entropy",
    "checked",
    "ctc_loss",
    "gaussian_nll",
    "generalized_kl_divergence",
    "huber_loss",
    "js_divergence",
    "js_divergence_from_logits",
    "kl_divergence",
    "kl_divergence_from_probabilities",
    "kl_divergence_with_log_targets",
    "l2_loss",
    "linear_logsumexp_and_target",
    "linear_softmax_cross_entropy",
    "log_cosh",
    "log_softmax",
    "nll_loss",
    "poisson_deviance",
    "poisson_nll",
    "reduce",
    "shard_linear_softmax_cross_entropy",
    "sigmoid_binary_cross_entropy",
    "sigmoid_focal_loss",
    "smooth_labels",
    "softmax_cross_entropy",
    "softmax_cross_entropy_with_integer_labels",
    "softmax_focal_loss",
    "sparse_categorical_cross_entropy",
    "squared_error",
    "total",
]

_answers.answer_in(__name__)

if not _typing.TYPE_CHECKING:  # to which every name would seem to be there

    def __getattr__(name):
        raise AttributeError(_names.no_name(name, __all__), name=name)
