"""Plots of the site: each loss, and its slope, over one prediction; what it is computed for stands below the axis."""

import io
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxloss


class Plot(NamedTuple):
    """A loss of one number, where it is drawn, and what the number is."""

    loss: Callable[[jax.Array], jax.Array]
    low: float
    high: float
    what: str


ERROR = -4, 4, "prediction, target 0"
LOGIT = -6, 6, "logit, label 1"
SHARE = 0.1, 0.99, "probability, label 1"
CLASS = -6, 6, "logit of the label, others 0 and 1"
SIGNED = -3, 3, "score, label 1"
COUNT = -2, 3, "log-rate, count 3"
LIFETIME = -1, 3, "log of the scale, target 2"
ANGLE = -np.pi, np.pi, "angle to the target"


def _row(x):
    """Logits of three classes, the first of them the label's."""
    return jnp.stack([x, jnp.zeros_like(x), jnp.ones_like(x)])


def _shares(p):
    return jnp.stack([p, 0.75 * (1 - p), 0.25 * (1 - p)])


def _vector(angle):
    return jnp.stack([jnp.cos(angle), jnp.sin(angle)])


def _elements(loss, target, **options):
    return lambda x: loss(x, jnp.full_like(x, target), **options)


def _labelled(loss, make=_row):
    return lambda x: loss(make(x), jnp.int32(0))


def _distributed(loss, targets, make=_row):
    return lambda x: loss(make(x), jnp.array(targets))


def _batch(angle):
    """Four vectors: a pair at an angle, and another pair at right angles to its first."""
    return jnp.stack([jnp.array([1.0, 0.0]), _vector(angle), jnp.array([0.0, 1.0]), jnp.array([0.0, -1.0])])


def _pixels(x):
    """Two pixels that are right, and between them the one that is asked about."""
    return jnp.stack([2 + 0 * x, x, -2 + 0 * x])[None]


def _region(loss):
    """Of the pixels' logits and those of another class, which are 0."""
    targets = jnp.array([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
    return lambda x: jnp.sum(loss(jnp.stack([_pixels(x), 0 * _pixels(x)], -1), targets))


ONE, HALF = [1.0, 0.0, 0.0], [0.5, 0.3, 0.2]
LOG_HALF = [float(np.log(v)) for v in HALF]
MIXED_SHARE = 0.05, 0.95, "probability of the first class, targets 0.5, 0.3, 0.2"
PAIRS = -np.pi, np.pi, "angle of a positive pair, two negatives at right angles"
FRAMES = 0, 5, "logit of the label in its frame"
PIXEL = -6, 6, "logit of one of three pixels, which is labelled"
MIXED = -6, 6, "logit of the first class, targets 0.5, 0.3, 0.2"

_rows = {
    ERROR: "squared_error l2_loss absolute_error huber_loss smooth_l1_loss log_cosh",
    LOGIT: "sigmoid_binary_cross_entropy sigmoid_focal_loss",
    SHARE: "binary_cross_entropy",
    SIGNED: "hinge_loss squared_hinge_loss perceptron_loss soft_margin_loss",
    CLASS: "softmax_cross_entropy_with_integer_labels softmax_focal_loss multiclass_hinge_loss "
    "multiclass_perceptron_loss multi_margin_loss multiclass_sparsemax_loss",
}
PLOTS = {
    name: Plot(
        _labelled(getattr(jaxloss, name))
        if where is CLASS
        else _elements(getattr(jaxloss, name), 0.0 if where is ERROR else 1.0),
        *where,
    )
    for where, names in _rows.items()
    for name in names.split()
} | {
    "absolute_percentage_error": Plot(_elements(jaxloss.absolute_percentage_error, 2.0), -1, 5, "prediction, target 2"),
    "squared_log_error": Plot(_elements(jaxloss.squared_log_error, 2.0), -0.5, 8, "prediction, target 2"),
    "poisson_nll": Plot(_elements(jaxloss.poisson_nll, 3.0, full="exact"), *COUNT),
    "poisson_deviance": Plot(_elements(jaxloss.poisson_deviance, 3.0), *COUNT),
    "negative_binomial_nll": Plot(
        _elements(jaxloss.negative_binomial_nll, 3.0, concentration=2.0), -2, 3, "log-mean, count 3, concentration 2"
    ),
    "negative_binomial_nll_from_logits": Plot(
        _elements(jaxloss.negative_binomial_nll_from_logits, 3.0, total_count=2.0), -4, 4, "logit, count 3 before 2"
    ),
    "binomial_nll": Plot(_elements(jaxloss.binomial_nll, 3.0, total_count=5.0), -4, 4, "logit, count 3 of 5"),
    "beta_binomial_nll": Plot(
        _elements(jaxloss.beta_binomial_nll, 3.0, total_count=5.0, concentration=2.0),
        -4,
        4,
        "logit, count 3 of 5, concentration 2",
    ),
    "geometric_nll": Plot(_elements(jaxloss.geometric_nll, 3.0), -5, 3, "logit of a success, 3 failures"),
    "zero_inflated_poisson_nll": Plot(
        _elements(jaxloss.zero_inflated_poisson_nll, 0.0, gate_logits=-1.0), -2, 3, "log-rate, count 0, gate -1"
    ),
    "zero_inflated_negative_binomial_nll": Plot(
        _elements(jaxloss.zero_inflated_negative_binomial_nll, 0.0, gate_logits=-1.0, concentration=2.0),
        -2,
        4,
        "log-mean, count 0, gate -1, concentration 2",
    ),
    "hurdle_poisson_nll": Plot(
        _elements(jaxloss.hurdle_poisson_nll, 3.0, gate_logits=-1.0), -2, 3, "log-rate, count 3, gate -1"
    ),
    "hurdle_negative_binomial_nll": Plot(
        _elements(jaxloss.hurdle_negative_binomial_nll, 3.0, gate_logits=-1.0, concentration=2.0),
        -2,
        4,
        "log-mean, count 3, gate -1, concentration 2",
    ),
    "tweedie_deviance": Plot(
        _elements(jaxloss.tweedie_deviance, 3.0, power=1.5), -2, 3, "log-mean, target 3, power 1.5"
    ),
    "gamma_deviance": Plot(_elements(jaxloss.gamma_deviance, 3.0), -1, 3, "log-mean, target 3"),
    "binomial_deviance": Plot(
        _elements(jaxloss.binomial_deviance, 3.0, total_count=4.0), -4, 4, "logit, 3 successes of 4"
    ),
    "gaussian_nll": Plot(
        lambda x: jaxloss.gaussian_nll(x, jnp.zeros_like(x), variance=jnp.full_like(x, 0.5)),
        -4,
        4,
        "mean, target 0, variance 0.5",
    ),
    "quantile_loss": Plot(_elements(jaxloss.quantile_loss, 0.0, quantile=0.8), *ERROR[:2], "prediction, level 0.8"),
    "expectile_loss": Plot(_elements(jaxloss.expectile_loss, 0.0, expectile=0.8), *ERROR[:2], "prediction, level 0.8"),
    "interval_score": Plot(
        lambda x: jaxloss.interval_score(x, x + 2, jnp.zeros_like(x), alpha=0.5),
        -4,
        2,
        "lower end of an interval of width 2, target 0, alpha 0.5",
    ),
    "weighted_interval_score": Plot(
        lambda x: jaxloss.weighted_interval_score(
            x + jnp.arange(-2.0, 3.0), jnp.zeros(()), alpha=jnp.array([0.2, 0.5])
        ),
        -4,
        4,
        "median of five quantiles at a distance of 1, target 0",
    ),
    "crps_gaussian": Plot(_elements(jaxloss.crps_gaussian, 0.0, scale=1.0), *ERROR),
    "crps_logistic": Plot(_elements(jaxloss.crps_logistic, 0.0, scale=1.0), *ERROR),
    "crps_laplace": Plot(_elements(jaxloss.crps_laplace, 0.0, scale=1.0), *ERROR),
    "crps_ensemble": Plot(
        lambda x: jaxloss.crps_ensemble(jnp.stack([x, -2 + 0 * x, 1 + 0 * x]), jnp.zeros(())),
        -4,
        4,
        "member, others -2 and 1, target 0",
    ),
    "energy_score": Plot(
        lambda x: jaxloss.energy_score(jnp.array([[0.0, 1.0], [-1.0, 0.0]]) * x, jnp.array([0.5, 0.5])),
        -4,
        4,
        "second number of a member and minus the first of another, target (0.5, 0.5)",
    ),
    "brier_score": Plot(_elements(jaxloss.brier_score, 1.0), *SHARE),
    "multiclass_brier_score": Plot(_labelled(jaxloss.multiclass_brier_score, _shares), *SHARE),
    "ranked_probability_score": Plot(_labelled(jaxloss.ranked_probability_score, _shares), *SHARE),
    "beta_nll": Plot(_elements(jaxloss.beta_nll, 0.7, concentration=5.0), -6, 6, "logit, target 0.7, concentration 5"),
    "gamma_nll": Plot(
        _elements(jaxloss.gamma_nll, 1.0, concentration=3.0), -2, 4, "log-mean, target 1, concentration 3"
    ),
    "mixture_nll": Plot(
        lambda x: jaxloss.mixture_nll(jnp.stack([x, jnp.ones_like(x)]), jnp.zeros(2)),
        -4,
        8,
        "loss of one of two components, other 1",
    ),
    "multivariate_gaussian_nll": Plot(
        lambda x: jaxloss.multivariate_gaussian_nll(
            jnp.stack([x, 0 * x]), jnp.zeros(2), scale_tril=jnp.array([[1.0, 0.0], [0.8, 0.6]])
        ),
        -4,
        4,
        "first of two means, targets 0, correlation 0.8",
    ),
    "inverse_gaussian_nll": Plot(
        _elements(jaxloss.inverse_gaussian_nll, 1.0, concentration=3.0), -2, 4, "log-mean, target 1, concentration 3"
    ),
    "laplace_nll": Plot(_elements(jaxloss.laplace_nll, 0.0, scale=0.5), -4, 4, "median, target 0, scale 0.5"),
    "student_t_nll": Plot(
        _elements(jaxloss.student_t_nll, 0.0, degrees_of_freedom=2.0, scale=0.5),
        -4,
        4,
        "location, target 0, 2 degrees of freedom, scale 0.5",
    ),
    "von_mises_nll": Plot(
        _elements(jaxloss.von_mises_nll, 0.0, concentration=2.0),
        -2 * np.pi,
        2 * np.pi,
        "angle, target 0, concentration 2",
    ),
    "exponential_nll": Plot(_elements(jaxloss.exponential_nll, 2.0), *LIFETIME),
    "weibull_nll": Plot(_elements(jaxloss.weibull_nll, 2.0, concentration=2.0), *LIFETIME),
    "log_normal_nll": Plot(_elements(jaxloss.log_normal_nll, 2.0, scale=0.5), *LIFETIME),
    "log_logistic_nll": Plot(_elements(jaxloss.log_logistic_nll, 2.0, scale=0.5), *LIFETIME),
    "hinge_embedding_loss": Plot(
        _elements(jaxloss.hinge_embedding_loss, -1.0), 0, 3, "distance of a pair that should be apart, margin 1"
    ),
    "sparsemax_loss": Plot(_elements(jaxloss.sparsemax_loss, 1.0), -3, 3, "score, label 1"),
    "multinomial_nll": Plot(
        _distributed(jaxloss.multinomial_nll, [3.0, 1.0, 2.0]),
        -6,
        6,
        "logit of the first class, counts 3, 1, 2",
    ),
    "softmax_cross_entropy": Plot(_distributed(jaxloss.softmax_cross_entropy, HALF), *MIXED),
    "safe_softmax_cross_entropy": Plot(_distributed(jaxloss.safe_softmax_cross_entropy, HALF), *MIXED),
    "poly_loss_cross_entropy": Plot(_distributed(jaxloss.poly_loss_cross_entropy, ONE), *CLASS),
    "categorical_cross_entropy": Plot(_distributed(jaxloss.categorical_cross_entropy, ONE, _shares), *SHARE),
    "sparse_categorical_cross_entropy": Plot(_labelled(jaxloss.sparse_categorical_cross_entropy, _shares), *SHARE),
    "generalized_cross_entropy": Plot(_labelled(jaxloss.generalized_cross_entropy, _shares), *SHARE),
    "nll_loss": Plot(lambda x: jaxloss.nll_loss(jaxloss.log_softmax(_row(x)), jnp.int32(0)), *CLASS),
    "categorical_hinge_loss": Plot(_distributed(jaxloss.categorical_hinge_loss, ONE), *CLASS),
    "multilabel_margin_loss": Plot(lambda x: jaxloss.multilabel_margin_loss(_row(x), jnp.int32([0, -1, -1])), *CLASS),
    "multilabel_soft_margin_loss": Plot(_distributed(jaxloss.multilabel_soft_margin_loss, ONE), *CLASS),
    "margin_ranking_loss": Plot(
        lambda x: jaxloss.margin_ranking_loss(x, jnp.zeros_like(x), order=jnp.ones_like(x), margin=1.0),
        -3,
        3,
        "score that should be the higher one, other 0, margin 1",
    ),
    "kl_divergence": Plot(lambda x: jaxloss.kl_divergence(jaxloss.log_softmax(_row(x)), jnp.array(HALF)), *MIXED),
    "kl_divergence_with_log_targets": Plot(
        lambda x: jaxloss.kl_divergence_with_log_targets(jaxloss.log_softmax(_row(x)), jnp.array(LOG_HALF)), *MIXED
    ),
    "generalized_kl_divergence": Plot(
        lambda x: jaxloss.generalized_kl_divergence(_row(x), jnp.array(HALF)),
        -4,
        3,
        "logarithm of the first of three measures",
    ),
    "kl_divergence_from_probabilities": Plot(
        _distributed(jaxloss.kl_divergence_from_probabilities, HALF, _shares), *MIXED_SHARE
    ),
    "js_divergence": Plot(_distributed(jaxloss.js_divergence, HALF, _shares), *MIXED_SHARE),
    "js_divergence_from_logits": Plot(_distributed(jaxloss.js_divergence_from_logits, LOG_HALF), *MIXED),
    "cosine_distance": Plot(_distributed(jaxloss.cosine_distance, [1.0, 0.0], _vector), *ANGLE),
    "cosine_embedding_loss": Plot(
        lambda a: jaxloss.cosine_embedding_loss(_vector(a), jnp.array([1.0, 0.0]), labels=jnp.float32(-1), margin=0.5),
        -np.pi,
        np.pi,
        "angle of a pair that should not be alike, margin 0.5",
    ),
    "triplet_margin_loss": Plot(
        lambda x: jaxloss.triplet_margin_loss(jnp.zeros(1), x[None], 2 * jnp.ones(1)),
        -3,
        3,
        "positive, anchor 0, negative 2, margin 1",
    ),
    "ntxent": Plot(lambda a: jaxloss.ntxent(_batch(a), jnp.int32([0, 0, 1, 1]), temperature=0.5), *PAIRS),
    "circle_loss": Plot(lambda a: jaxloss.circle_loss(_batch(a), jnp.int32([0, 0, 1, 1]))[0], *PAIRS),
    "cox_partial_likelihood": Plot(
        lambda x: jaxloss.cox_partial_likelihood(_row(x), jnp.arange(3.0), events=jnp.int32([1, 0, 0]))[0],
        *CLASS[:2],
        "log-hazard of the sample with the event, others 0 and 1",
    ),
    "discrete_time_nll": Plot(
        lambda x: jaxloss.discrete_time_nll(jnp.stack([x, jnp.zeros_like(x)]), 1, events=1),
        -6,
        6,
        "log-odds of the first hazard, event in the second interval",
    ),
    "cumulative_link_nll": Plot(
        lambda x: jaxloss.cumulative_link_nll(x, jnp.int32(1), cutpoints=jnp.array([-1.0, 1.0])),
        -6,
        6,
        "score, the middle class",
    ),
    "coral_loss": Plot(
        lambda x: jaxloss.coral_loss(x + jnp.array([1.0, -1.0]), jnp.int32(1)), *LOGIT[:2], "score, the middle class"
    ),
    "corn_loss": Plot(
        lambda x: jaxloss.corn_loss(x + jnp.array([1.0, -1.0]), jnp.int32(1)), *LOGIT[:2], "score, the middle class"
    ),
    "ranking_softmax_loss": Plot(
        lambda x: jaxloss.ranking_softmax_loss(_row(x)[None], jnp.array([[1.0, 0.0, 0.0]])),
        *CLASS[:2],
        "score of the relevant item",
    ),
    "multiclass_generalized_dice_loss": Plot(_region(jaxloss.multiclass_generalized_dice_loss), *PIXEL),
    "dice_loss": Plot(_region(jaxloss.dice_loss), *PIXEL),
    "binary_dice_loss": Plot(lambda x: jaxloss.binary_dice_loss(_pixels(x), jnp.array([[1.0, 1.0, 0.0]]))[0], *PIXEL),
    "tversky_loss": Plot(_region(jaxloss.tversky_loss), *PIXEL),
    "ctc_loss": Plot(
        lambda x: jaxloss.ctc_loss(
            jnp.stack([jnp.stack([0 * x, x]), jnp.stack([x, 0 * x])])[None], None, jnp.int32([[1]]), None
        )[0],
        *FRAMES,
    ),
}


def drawn(name: str) -> str:
    """The plot as SVG, without a date, so that the same figures are the same file."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    plot = PLOTS[name]
    x = np.linspace(plot.low, plot.high, 401, dtype=np.float32)
    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(plot.loss)))(x)
    with plt.rc_context({"svg.hashsalt": "jaxloss", "svg.fonttype": "path", "font.size": 9}):
        figure, axes = plt.subplots(figsize=(4.2, 2.6), layout="constrained")
        axes.plot(x, values, color="#3f51b5", label="value")
        axes.plot(x, slopes, color="#e0662f", linestyle="--", linewidth=1.2, label="slope")
        axes.set_xlabel(plot.what)
        axes.axhline(0, color="#888888", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Title": f"{name}: value and slope"})
        plt.close(figure)
    return text.getvalue()
