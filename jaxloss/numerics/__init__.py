"""Primitives with their derivative rules, exact at the closed ends of their domains; imports jax alone."""

from jaxloss.numerics._rule import pushed, replaced, rule
from jaxloss.numerics._shapes import known
from jaxloss.numerics._sharding import (
    aligned,
    aligned_labels,
    automatic,
    explicit_sharding,
    keep,
    look_up,
    on_mesh,
    replicated,
    sharded_like,
    varying_alike,
)
from jaxloss.numerics._shards import max_of_shards, sum_of_shards
from jaxloss.numerics.alignment import ctc_nll
from jaxloss.numerics.binary_focal import sigmoid_focal
from jaxloss.numerics.bounded import bounded_bernoulli_nll
from jaxloss.numerics.cross_entropy import label_nll, target_nll
from jaxloss.numerics.divergence import (
    generalized_relative_entropy,
    js_log_term,
    js_term,
    kl_rows,
    relative_entropy,
    relative_entropy_log,
)
from jaxloss.numerics.elementary import expm1, expm1_minus, log1p, log1p_minus, log_ratio
from jaxloss.numerics.factorial import log_factorial, log_peak, stirling_error
from jaxloss.numerics.gaussian import gaussian_nll
from jaxloss.numerics.guarded import absent, absolute, divide, gated, huber, nan_unless, norm, times, weighed
from jaxloss.numerics.hyperbolic import log_cosh, tanh
from jaxloss.numerics.label import at_label, label_value
from jaxloss.numerics.poisson import (
    half_deviance_log_rate,
    half_deviance_rate,
    poisson_exact_log_rate,
    poisson_exact_rate,
    poisson_log_rate,
    poisson_rate,
)
from jaxloss.numerics.probabilities import probabilities_nll
from jaxloss.numerics.product import product
from jaxloss.numerics.sigmoid import (
    bernoulli_nll,
    focal,
    log1mexp,
    log_sigmoid,
    sigmoid,
    sigmoid_nll,
    softplus,
)
from jaxloss.numerics.softmax import finite, log_softmax, logaddexp, logsumexp, softmax, softmax_complement
from jaxloss.numerics.xlogy import xlog1py, xlogx, xlogy

__all__ = [
    "absent",
    "absolute",
    "aligned",
    "aligned_labels",
    "at_label",
    "automatic",
    "bernoulli_nll",
    "bounded_bernoulli_nll",
    "ctc_nll",
    "divide",
    "explicit_sharding",
    "expm1",
    "expm1_minus",
    "finite",
    "focal",
    "gated",
    "gaussian_nll",
    "generalized_relative_entropy",
    "half_deviance_log_rate",
    "half_deviance_rate",
    "huber",
    "js_log_term",
    "js_term",
    "keep",
    "kl_rows",
    "known",
    "label_nll",
    "label_value",
    "log1mexp",
    "log1p",
    "log1p_minus",
    "log_cosh",
    "log_factorial",
    "log_peak",
    "log_ratio",
    "log_sigmoid",
    "log_softmax",
    "logaddexp",
    "logsumexp",
    "look_up",
    "max_of_shards",
    "nan_unless",
    "norm",
    "on_mesh",
    "poisson_exact_log_rate",
    "poisson_exact_rate",
    "poisson_log_rate",
    "poisson_rate",
    "probabilities_nll",
    "product",
    "pushed",
    "relative_entropy",
    "relative_entropy_log",
    "replaced",
    "replicated",
    "rule",
    "sharded_like",
    "sigmoid",
    "sigmoid_focal",
    "sigmoid_nll",
    "softmax",
    "softmax_complement",
    "softplus",
    "stirling_error",
    "sum_of_shards",
    "tanh",
    "target_nll",
    "times",
    "varying_alike",
    "weighed",
    "xlog1py",
    "xlogx",
    "xlogy",
]
