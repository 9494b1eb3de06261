"""Losses for JAX: exact, inert under masks, with one meaning of the mean."""

import typing as _typing

import jaxloss._importing as _importing

# isort: split
import jaxloss._answers as _answers
import jaxloss._names as _names
from jaxloss._domain import checked
from jaxloss._loss import Loss, LossSum
from jaxloss._reduce import reduce, total
from jaxloss.fused.adaptive import *
from jaxloss.fused.adaptive_classes import *
from jaxloss.fused.linear_cross_entropy import *
from jaxloss.fused.log_partition import *
from jaxloss.fused.sharded import *
from jaxloss.losses.classification.binary import *
from jaxloss.losses.classification.categorical_margin import *
from jaxloss.losses.classification.cross_entropy import *
from jaxloss.losses.classification.distributions import *
from jaxloss.losses.classification.fenchel_young import *
from jaxloss.losses.classification.focal import *
from jaxloss.losses.classification.generalized import *
from jaxloss.losses.classification.label_cross_entropy import *
from jaxloss.losses.classification.multiclass_margin import *
from jaxloss.losses.classification.multilabel import *
from jaxloss.losses.classification.pairs import *
from jaxloss.losses.classification.polynomial import *
from jaxloss.losses.classification.probabilities import *
from jaxloss.losses.classification.safe_cross_entropy import *
from jaxloss.losses.classification.signed_margin import *
from jaxloss.losses.classification.sparsemax import *
from jaxloss.losses.divergence.deprecated import *
from jaxloss.losses.divergence.jensen_shannon import *
from jaxloss.losses.divergence.kullback_leibler import *
from jaxloss.losses.embedding.circle import *
from jaxloss.losses.embedding.contrastive import *
from jaxloss.losses.embedding.cosine import *
from jaxloss.losses.embedding.triplet import *
from jaxloss.losses.likelihood.beta import *
from jaxloss.losses.likelihood.binomial import *
from jaxloss.losses.likelihood.deviances import *
from jaxloss.losses.likelihood.gamma import *
from jaxloss.losses.likelihood.gaussian import *
from jaxloss.losses.likelihood.geometric import *
from jaxloss.losses.likelihood.hurdle import *
from jaxloss.losses.likelihood.inverse_gaussian import *
from jaxloss.losses.likelihood.laplace import *
from jaxloss.losses.likelihood.mixture import *
from jaxloss.losses.likelihood.multinomial import *
from jaxloss.losses.likelihood.multivariate_gaussian import *
from jaxloss.losses.likelihood.negative_binomial import *
from jaxloss.losses.likelihood.poisson import *
from jaxloss.losses.likelihood.student_t import *
from jaxloss.losses.likelihood.von_mises import *
from jaxloss.losses.likelihood.zero_inflated import *
from jaxloss.losses.ordinal.binary_tasks import *
from jaxloss.losses.ordinal.cumulative_link import *
from jaxloss.losses.ranking.softmax import *
from jaxloss.losses.regression.huber import *
from jaxloss.losses.regression.relative import *
from jaxloss.losses.regression.smooth_absolute import *
from jaxloss.losses.regression.smooth_l1 import *
from jaxloss.losses.regression.squared import *
from jaxloss.losses.score.ensemble import *
from jaxloss.losses.score.interval import *
from jaxloss.losses.score.location_scale import *
from jaxloss.losses.score.probability import *
from jaxloss.losses.score.quantile import *
from jaxloss.losses.segmentation.dice import *
from jaxloss.losses.segmentation.generalized import *
from jaxloss.losses.segmentation.tversky import *
from jaxloss.losses.sequence.ctc import *
from jaxloss.losses.sequence.ctc_forward import *
from jaxloss.losses.survival.cox import *
from jaxloss.losses.survival.discrete_time import *
from jaxloss.losses.survival.exponential import *
from jaxloss.losses.survival.log_logistic import *
from jaxloss.losses.survival.log_normal import *
from jaxloss.losses.survival.weibull import *

__version__ = "0.1.0"

# Every public name stands here once, by family; a file's own `__all__` says which of them are its.
__all__ = [
    # Reductions, checks and the base class
    "Loss",
    "LossSum",
    "checked",
    "reduce",
    "total",
    # Regression
    "AbsoluteError",
    "AbsolutePercentageError",
    "HuberLoss",
    "L2Loss",
    "LogCosh",
    "SmoothL1Loss",
    "SquaredError",
    "SquaredLogError",
    "absolute_error",
    "absolute_percentage_error",
    "huber_loss",
    "l2_loss",
    "log_cosh",
    "smooth_l1_loss",
    "squared_error",
    "squared_log_error",
    # Likelihoods
    "BetaBinomialNLL",
    "BetaNLL",
    "BinomialDeviance",
    "BinomialNLL",
    "GammaDeviance",
    "GammaNLL",
    "GaussianNLL",
    "GeometricNLL",
    "HurdleNegativeBinomialNLL",
    "HurdlePoissonNLL",
    "InverseGaussianNLL",
    "LaplaceNLL",
    "MixtureNLL",
    "MultinomialNLL",
    "MultivariateGaussianNLL",
    "NegativeBinomialNLL",
    "NegativeBinomialNLLFromLogits",
    "PoissonDeviance",
    "PoissonNLL",
    "StudentTNLL",
    "TweedieDeviance",
    "VonMisesNLL",
    "ZeroInflatedNegativeBinomialNLL",
    "ZeroInflatedPoissonNLL",
    "beta_binomial_nll",
    "beta_nll",
    "binomial_deviance",
    "binomial_nll",
    "gamma_deviance",
    "gamma_nll",
    "gaussian_nll",
    "geometric_nll",
    "hurdle_negative_binomial_nll",
    "hurdle_poisson_nll",
    "inverse_gaussian_nll",
    "laplace_nll",
    "mixture_nll",
    "multinomial_nll",
    "multivariate_gaussian_nll",
    "negative_binomial_nll",
    "negative_binomial_nll_from_logits",
    "poisson_deviance",
    "poisson_nll",
    "student_t_nll",
    "tweedie_deviance",
    "von_mises_nll",
    "zero_inflated_negative_binomial_nll",
    "zero_inflated_poisson_nll",
    # Survival
    "CoxPartialLikelihood",
    "DiscreteTimeNLL",
    "ExponentialNLL",
    "LogLogisticNLL",
    "LogNormalNLL",
    "WeibullNLL",
    "cox_partial_likelihood",
    "discrete_time_nll",
    "exponential_nll",
    "log_logistic_nll",
    "log_normal_nll",
    "weibull_nll",
    # Scores
    "BrierScore",
    "CRPSEnsemble",
    "CRPSGaussian",
    "CRPSLaplace",
    "CRPSLogistic",
    "EnergyScore",
    "ExpectileLoss",
    "IntervalScore",
    "MulticlassBrierScore",
    "QuantileLoss",
    "RankedProbabilityScore",
    "WeightedIntervalScore",
    "brier_score",
    "crps_ensemble",
    "crps_gaussian",
    "crps_laplace",
    "crps_logistic",
    "energy_score",
    "expectile_loss",
    "interval_score",
    "multiclass_brier_score",
    "quantile_loss",
    "ranked_probability_score",
    "weighted_interval_score",
    # Ordinal
    "CoralLoss",
    "CornLoss",
    "CumulativeLinkNLL",
    "coral_loss",
    "corn_loss",
    "cumulative_link_nll",
    # Classification
    "BinaryCrossEntropy",
    "CategoricalCrossEntropy",
    "CategoricalHingeLoss",
    "GeneralizedCrossEntropy",
    "HingeEmbeddingLoss",
    "HingeLoss",
    "MarginRankingLoss",
    "MultiMarginLoss",
    "MulticlassHingeLoss",
    "MulticlassPerceptronLoss",
    "MulticlassSparsemaxLoss",
    "MultilabelMarginLoss",
    "MultilabelSoftMarginLoss",
    "NLLLoss",
    "PerceptronLoss",
    "PolyLossCrossEntropy",
    "SigmoidBinaryCrossEntropy",
    "SigmoidFocalLoss",
    "SoftMarginLoss",
    "SoftmaxAux",
    "SoftmaxCrossEntropy",
    "SoftmaxCrossEntropyWithIntegerLabels",
    "SoftmaxFocalLoss",
    "SparseCategoricalCrossEntropy",
    "SparsemaxLoss",
    "SquaredHingeLoss",
    "binary_cross_entropy",
    "categorical_cross_entropy",
    "categorical_hinge_loss",
    "generalized_cross_entropy",
    "hinge_embedding_loss",
    "hinge_loss",
    "log_softmax",
    "make_fenchel_young_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multiclass_hinge_loss",
    "multiclass_perceptron_loss",
    "multiclass_sparsemax_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "perceptron_loss",
    "poly_loss_cross_entropy",
    "safe_softmax_cross_entropy",
    "sigmoid_binary_cross_entropy",
    "sigmoid_focal_loss",
    "smooth_labels",
    "soft_margin_loss",
    "softmax_cross_entropy",
    "softmax_cross_entropy_with_integer_labels",
    "softmax_focal_loss",
    "sparse_categorical_cross_entropy",
    "sparsemax_loss",
    "squared_hinge_loss",
    # Divergences
    "GeneralizedKLDivergence",
    "JSDivergence",
    "JSDivergenceFromLogits",
    "KLDivergence",
    "KLDivergenceFromProbabilities",
    "KLDivergenceWithLogTargets",
    "convex_kl_divergence",
    "generalized_kl_divergence",
    "js_divergence",
    "js_divergence_from_logits",
    "kl_divergence",
    "kl_divergence_from_probabilities",
    "kl_divergence_with_log_targets",
    # Embeddings
    "CircleLoss",
    "CosineDistance",
    "CosineEmbeddingLoss",
    "NTXent",
    "TripletMarginLoss",
    "circle_loss",
    "cosine_distance",
    "cosine_embedding_loss",
    "cosine_similarity",
    "ntxent",
    "triplet_margin_loss",
    # Ranking
    "RankingSoftmaxLoss",
    "ranking_softmax_loss",
    # Segmentation
    "BinaryDiceLoss",
    "DiceLoss",
    "MulticlassGeneralizedDiceLoss",
    "TverskyLoss",
    "binary_dice_loss",
    "dice_loss",
    "multiclass_generalized_dice_loss",
    "tversky_loss",
    # Sequences
    "CTCLoss",
    "ctc_loss",
    "ctc_loss_with_forward_probs",
    # Fused with the last layer
    "AdaptiveLogSoftmax",
    "LinearAux",
    "LinearSoftmaxCrossEntropy",
    "adaptive_log_probabilities",
    "adaptive_log_softmax",
    "adaptive_prediction",
    "linear_logsumexp_and_target",
    "linear_softmax_cross_entropy",
    "shard_linear_softmax_cross_entropy",
]

_answers.answer_in(__name__)
_importing.done()


def __dir__() -> list[str]:
    return sorted(__all__)


if not _typing.TYPE_CHECKING:  # to which every name would seem to be there

    def __getattr__(name):
        raise AttributeError(_names.no_name(name, __all__), name=name)
