"""Primitives with their derivative rules, exact at the closed ends of their domains; imports jax alone."""

from jaxloss.numerics._blocks import in_blocks
from jaxloss.numerics._forms import by_platform, form, of_rows, sum_of_terms, sums_of_regions
from jaxloss.numerics._mesh import (
    AxisName,
    aligned,
    aligned_labels,
    automatic,
    columns,
    explicit_sharding,
    filled,
    keep,
    max_of_shards,
    on_mesh,
    replicated,
    sharded_like,
    sum_of_shards,
    varying_alike,
    varying_axes,
)
from jaxloss.numerics._rule import pushed, replaced, rule
from jaxloss.numerics._shapes import Axes, known
from jaxloss.numerics._storing import apart
from jaxloss.numerics.angles import versine
from jaxloss.numerics.asymmetric import uneven_absolute, uneven_square, weighted_interval
from jaxloss.numerics.bessel import log_scaled_i0
from jaxloss.numerics.beta import beta_nll
from jaxloss.numerics.beta_binomial import beta_binomial_nll
from jaxloss.numerics.binary_focal import sigmoid_focal
from jaxloss.numerics.binomial_deviance import half_binomial_deviance
from jaxloss.numerics.bounded import bounded_bernoulli_nll
from jaxloss.numerics.cohort_order import risk_order
from jaxloss.numerics.cosine import cosine_distance, cosine_similarity, directions
from jaxloss.numerics.count_divergence import binomial_nll, negative_binomial_from_logits
from jaxloss.numerics.ctc import ctc_nll
from jaxloss.numerics.ctc_sums import ctc_forward
from jaxloss.numerics.divergence import generalized_relative_entropy, kl_rows, relative_entropy, relative_entropy_log
from jaxloss.numerics.elementary import expm1
from jaxloss.numerics.exponential_law import (
    exponential_event,
    exponential_event_by_scale,
    exponential_survival,
    exponential_survival_by_scale,
)
from jaxloss.numerics.exponential_remainder import expm1_minus
from jaxloss.numerics.exposure import poisson_above, poisson_exact_exposed_rate, poisson_exposed_rate
from jaxloss.numerics.float_pairs import difference_as_pair
from jaxloss.numerics.focal import focal_nll
from jaxloss.numerics.gamma import gamma_nll
from jaxloss.numerics.gamma_deviance import half_gamma_log_mean, half_gamma_mean
from jaxloss.numerics.gaussian import gaussian_nll, gaussian_nll_of_log, gaussian_nll_of_scale
from jaxloss.numerics.gaussian_classes import gaussian_between
from jaxloss.numerics.gaussian_spans import gaussian_before, gaussian_event_since, gaussian_since, gaussian_within
from jaxloss.numerics.gaussian_tail import gaussian_event, gaussian_survival
from jaxloss.numerics.geometric import failures_nll
from jaxloss.numerics.guarded import (
    absent,
    absolute,
    clip_infinite,
    divide,
    gated,
    huber,
    nan_unless,
    scaled,
    times,
    weighed,
)
from jaxloss.numerics.hyperbolic import log_cosh, tanh
from jaxloss.numerics.inverse_gaussian import inverse_gaussian_nll
from jaxloss.numerics.label import is_label, label_value, look_up
from jaxloss.numerics.label_cross_entropy import label_nll
from jaxloss.numerics.label_lists import multilabel_margin
from jaxloss.numerics.laplace import laplace_nll
from jaxloss.numerics.location_scale import crps_gaussian, crps_laplace, crps_logistic
from jaxloss.numerics.log_products import xlogx, xlogy
from jaxloss.numerics.log_sum_exp import log_softmax, logaddexp, logsumexp, softmax
from jaxloss.numerics.logistic import bernoulli_nll, sigmoid, sigmoid_nll, softplus
from jaxloss.numerics.logistic_tail import (
    logistic_before,
    logistic_event,
    logistic_event_since,
    logistic_since,
    logistic_survival,
    logistic_within,
)
from jaxloss.numerics.margins import categorical_gap, hinge, hinge_terms, label_gap, soft_margin
from jaxloss.numerics.mixture import mixture_nll
from jaxloss.numerics.mixture_divergence import js_log_term, js_term
from jaxloss.numerics.multinomial import multinomial_nll
from jaxloss.numerics.negative_binomial import (
    negative_binomial_exposed,
    negative_binomial_log_mean,
    negative_binomial_mean,
)
from jaxloss.numerics.norms import minkowski
from jaxloss.numerics.ordered import ensemble_score, sums_towards
from jaxloss.numerics.pair_distances import length, sum_of_distances
from jaxloss.numerics.pixel_errors import true_and_false
from jaxloss.numerics.poisson import (
    half_deviance_log_rate,
    half_deviance_rate,
    poisson_exact_log_rate,
    poisson_exact_rate,
    poisson_log_rate,
    poisson_rate,
)
from jaxloss.numerics.power_transform import box_cox
from jaxloss.numerics.powers import positive_power
from jaxloss.numerics.probabilities import probabilities_nll
from jaxloss.numerics.product import matrix_product
from jaxloss.numerics.ratios import fraction
from jaxloss.numerics.relative import relative_error, squared_log_gap
from jaxloss.numerics.risk_sums import partial_nll
from jaxloss.numerics.simplex import binary_sparsemax_nll, sparsemax_nll
from jaxloss.numerics.smooth_absolute import smooth_l1
from jaxloss.numerics.standard_times import Pair, spread, standardized, standardized_by_scale, standardized_over
from jaxloss.numerics.student_t import student_t_nll
from jaxloss.numerics.target_cross_entropy import target_nll
from jaxloss.numerics.triangular import diagonal, or_identity, triangular_nll
from jaxloss.numerics.tweedie import half_tweedie
from jaxloss.numerics.weibull import (
    weibull_before,
    weibull_event,
    weibull_event_since,
    weibull_since,
    weibull_survival,
    weibull_within,
)
from jaxloss.numerics.zeros_apart import (
    hurdle_negative_binomial_log_mean,
    hurdle_negative_binomial_mean,
    hurdle_poisson_log_rate,
    hurdle_poisson_rate,
    zero_inflated_negative_binomial_log_mean,
    zero_inflated_negative_binomial_mean,
    zero_inflated_poisson_log_rate,
    zero_inflated_poisson_rate,
)

__all__ = [
    "Axes",
    "AxisName",
    "Pair",
    "absent",
    "absolute",
    "aligned",
    "aligned_labels",
    "apart",
    "automatic",
    "bernoulli_nll",
    "beta_binomial_nll",
    "beta_nll",
    "binary_sparsemax_nll",
    "binomial_nll",
    "bounded_bernoulli_nll",
    "box_cox",
    "by_platform",
    "categorical_gap",
    "clip_infinite",
    "columns",
    "cosine_distance",
    "cosine_similarity",
    "crps_gaussian",
    "crps_laplace",
    "crps_logistic",
    "ctc_forward",
    "ctc_nll",
    "diagonal",
    "difference_as_pair",
    "directions",
    "divide",
    "ensemble_score",
    "explicit_sharding",
    "expm1",
    "expm1_minus",
    "exponential_event",
    "exponential_event_by_scale",
    "exponential_survival",
    "exponential_survival_by_scale",
    "failures_nll",
    "filled",
    "focal_nll",
    "form",
    "fraction",
    "gamma_nll",
    "gated",
    "gaussian_before",
    "gaussian_between",
    "gaussian_event",
    "gaussian_event_since",
    "gaussian_nll",
    "gaussian_nll_of_log",
    "gaussian_nll_of_scale",
    "gaussian_since",
    "gaussian_survival",
    "gaussian_within",
    "generalized_relative_entropy",
    "half_binomial_deviance",
    "half_deviance_log_rate",
    "half_deviance_rate",
    "half_gamma_log_mean",
    "half_gamma_mean",
    "half_tweedie",
    "hinge",
    "hinge_terms",
    "huber",
    "hurdle_negative_binomial_log_mean",
    "hurdle_negative_binomial_mean",
    "hurdle_poisson_log_rate",
    "hurdle_poisson_rate",
    "in_blocks",
    "inverse_gaussian_nll",
    "is_label",
    "js_log_term",
    "js_term",
    "keep",
    "kl_rows",
    "known",
    "label_gap",
    "label_nll",
    "label_value",
    "laplace_nll",
    "length",
    "log_cosh",
    "log_scaled_i0",
    "log_softmax",
    "logaddexp",
    "logistic_before",
    "logistic_event",
    "logistic_event_since",
    "logistic_since",
    "logistic_survival",
    "logistic_within",
    "logsumexp",
    "look_up",
    "matrix_product",
    "max_of_shards",
    "minkowski",
    "mixture_nll",
    "multilabel_margin",
    "multinomial_nll",
    "nan_unless",
    "negative_binomial_exposed",
    "negative_binomial_from_logits",
    "negative_binomial_log_mean",
    "negative_binomial_mean",
    "of_rows",
    "on_mesh",
    "or_identity",
    "partial_nll",
    "poisson_above",
    "poisson_exact_exposed_rate",
    "poisson_exact_log_rate",
    "poisson_exact_rate",
    "poisson_exposed_rate",
    "poisson_log_rate",
    "poisson_rate",
    "positive_power",
    "probabilities_nll",
    "pushed",
    "relative_entropy",
    "relative_entropy_log",
    "relative_error",
    "replaced",
    "replicated",
    "risk_order",
    "rule",
    "scaled",
    "sharded_like",
    "sigmoid",
    "sigmoid_focal",
    "sigmoid_nll",
    "smooth_l1",
    "soft_margin",
    "softmax",
    "softplus",
    "sparsemax_nll",
    "spread",
    "squared_log_gap",
    "standardized",
    "standardized_by_scale",
    "standardized_over",
    "student_t_nll",
    "sum_of_distances",
    "sum_of_shards",
    "sum_of_terms",
    "sums_of_regions",
    "sums_towards",
    "tanh",
    "target_nll",
    "times",
    "triangular_nll",
    "true_and_false",
    "uneven_absolute",
    "uneven_square",
    "varying_alike",
    "varying_axes",
    "versine",
    "weibull_before",
    "weibull_event",
    "weibull_event_since",
    "weibull_since",
    "weibull_survival",
    "weibull_within",
    "weighed",
    "weighted_interval",
    "xlogx",
    "xlogy",
    "zero_inflated_negative_binomial_log_mean",
    "zero_inflated_negative_binomial_mean",
    "zero_inflated_poisson_log_rate",
    "zero_inflated_poisson_rate",
]
