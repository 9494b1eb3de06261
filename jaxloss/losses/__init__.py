"""The losses, one idea a file: a function, its class form, and their names in `__all__`."""

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
    "LogCosh",
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
    "log_cosh",
    "log_softmax",
    "nll_loss",
    "poisson_deviance",
    "poisson_nll",
    "sigmoid_binary_cross_entropy",
    "sigmoid_focal_loss",
    "smooth_labels",
    "softmax_cross_entropy",
    "softmax_cross_entropy_with_integer_labels",
    "softmax_focal_loss",
    "sparse_categorical_cross_entropy",
    "squared_error",
]
