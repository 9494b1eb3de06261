"""What a user writes with every class form, under pyright's strict rules: `make lint` checks it, a test runs it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_type

import jax
import jax.numpy as jnp

import jaxloss

ROW = jnp.array([[2.0, 0.0, 1.0], [0.0, 1.0, 3.0]])
SHARES = jnp.array([[0.7, 0.1, 0.2], [0.2, 0.3, 0.5]])
LABELS = jnp.array([0, 2])
X, Y = ROW[:, 0], ROW[:, 1]
SIGNS = jnp.array([1.0, -1.0])
BITS = jnp.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
WHERE = jnp.array([True, False])
PIXELS, MASK = ROW[None], BITS[None]


def of_elements() -> list[jax.Array]:
    """Losses of one number each."""
    return [
        jaxloss.SquaredError(reduction="sum")(X, Y),
        jaxloss.L2Loss()(X),
        jaxloss.AbsoluteError()(X, Y, where=WHERE),
        jaxloss.AbsolutePercentageError()(X, Y + 1, weights=SIGNS**2),
        jaxloss.SquaredLogError()(X, Y),
        jaxloss.HuberLoss(delta=jnp.array(2.0))(X, Y),
        jaxloss.SmoothL1Loss(beta=0.5)(X, Y),
        jaxloss.LogCosh()(X, Y),
        jaxloss.PoissonNLL(full="exact")(X, Y, offset=Y),
        jaxloss.PoissonDeviance()(X, Y),
        jaxloss.GeometricNLL()(X, Y),
        jaxloss.ZeroInflatedPoissonNLL()(X, Y, gate_logits=X),
        jaxloss.ZeroInflatedNegativeBinomialNLL()(X, Y, gate_logits=X, log_concentration=0.5),
        jaxloss.HurdlePoissonNLL(log_input=False)(X, Y, gate_logits=0.5),
        jaxloss.HurdleNegativeBinomialNLL()(X, Y, gate_logits=X, concentration=0.5),
        jaxloss.TweedieDeviance(power=1.5)(X, Y),
        jaxloss.GammaDeviance()(X, Y + 1),
        jaxloss.BinomialDeviance()(X, Y, total_count=4),
        jaxloss.GaussianNLL()(X, Y, variance=X + 1),
        jaxloss.NegativeBinomialNLL(log_input=True)(X, Y, log_concentration=X, offset=Y),
        jaxloss.NegativeBinomialNLLFromLogits()(X, Y, total_count=X + 1),
        jaxloss.BinomialNLL()(X, WHERE, total_count=3),
        jaxloss.BetaBinomialNLL()(X, WHERE, total_count=3, concentration=X + 1),
        jaxloss.QuantileLoss(quantile=0.9)(X, Y),
        jaxloss.ExpectileLoss(expectile=0.9)(X, Y),
        jaxloss.IntervalScore(alpha=0.2)(X, X + 1, targets=Y),
        jaxloss.CRPSGaussian()(X, Y, scale=1.0),
        jaxloss.CRPSLogistic()(X, Y, scale=X + 1),
        jaxloss.CRPSLaplace()(X, Y, scale=X + 1),
        jaxloss.BrierScore()(SHARES, BITS),
        jaxloss.BetaNLL()(X, jax.nn.sigmoid(Y), concentration=4.0),
        jaxloss.GammaNLL()(X, Y + 1, concentration=X + 1),
        jaxloss.InverseGaussianNLL()(X, Y + 1, concentration=2.0),
        jaxloss.LaplaceNLL()(X, Y, scale=0.5),
        jaxloss.StudentTNLL()(X, Y, degrees_of_freedom=X + 3, scale=2.0),
        jaxloss.VonMisesNLL()(X, Y, concentration=X + 1),
        jaxloss.ExponentialNLL()(X, Y + 1, censored=WHERE),
        jaxloss.WeibullNLL(log_input=False)(X + 1, Y + 1, concentration=2.0, entry=0 * Y),
        jaxloss.LogNormalNLL()(X, Y + 1, scale=X + 1, left_censored=WHERE),
        jaxloss.LogLogisticNLL()(X, Y + 1, scale=0.5, upper=Y + 2),
        jaxloss.SigmoidBinaryCrossEntropy(pos_weight=2.0)(X, WHERE),
        jaxloss.BinaryCrossEntropy()(SHARES, BITS),
        jaxloss.SigmoidFocalLoss(gamma=1.5)(X, WHERE),
        jaxloss.HingeLoss()(X, SIGNS),
        jaxloss.SquaredHingeLoss()(X, SIGNS),
        jaxloss.PerceptronLoss()(X, SIGNS),
        jaxloss.SoftMarginLoss()(X, SIGNS),
        jaxloss.HingeEmbeddingLoss()(X, SIGNS),
        jaxloss.SparsemaxLoss()(X, WHERE),
        jaxloss.MarginRankingLoss(margin=0.5)(X, Y, order=SIGNS),
    ]


def of_rows() -> list[jax.Array]:
    """Losses of a row of classes each."""
    log = jaxloss.log_softmax(ROW)
    return [
        jaxloss.SoftmaxCrossEntropyWithIntegerLabels(label_smoothing=0.1, ignore_index=-100)(ROW, LABELS),
        jaxloss.MultinomialNLL(axis=-1)(ROW, BITS),
        jaxloss.SoftmaxCrossEntropy(class_weights=jnp.array([1.0, 2.0, 1.0]))(ROW, SHARES),
        jaxloss.SparseCategoricalCrossEntropy()(SHARES, LABELS),
        jaxloss.CategoricalCrossEntropy()(SHARES, BITS),
        jaxloss.NLLLoss()(log, LABELS),
        jaxloss.MultivariateGaussianNLL()(ROW, SHARES, scale_tril=jnp.eye(3)),
        jaxloss.MixtureNLL()(SHARES, ROW),
        jaxloss.SoftmaxFocalLoss()(ROW, LABELS),
        jaxloss.GeneralizedCrossEntropy(q=0.5)(SHARES, LABELS),
        jaxloss.PolyLossCrossEntropy()(ROW, BITS),
        jaxloss.MulticlassHingeLoss()(ROW, LABELS),
        jaxloss.MulticlassPerceptronLoss()(ROW, LABELS),
        jaxloss.MulticlassSparsemaxLoss()(ROW, LABELS),
        jaxloss.MultiMarginLoss(p=2)(ROW, LABELS),
        jaxloss.CategoricalHingeLoss()(ROW, BITS),
        jaxloss.MultilabelMarginLoss()(ROW, jnp.array([[0, -1, -1], [2, 1, -1]])),
        jaxloss.MultilabelSoftMarginLoss()(ROW, BITS),
        jaxloss.KLDivergence()(log, SHARES),
        jaxloss.KLDivergenceWithLogTargets()(log, jnp.log(SHARES)),
        jaxloss.KLDivergenceFromProbabilities()(SHARES, BITS),
        jaxloss.GeneralizedKLDivergence()(log, SHARES),
        jaxloss.JSDivergence()(SHARES, BITS),
        jaxloss.JSDivergenceFromLogits()(ROW, 2 * ROW),
        jaxloss.RankingSoftmaxLoss()(ROW, BITS),
        jaxloss.CosineDistance()(ROW, SHARES),
        jaxloss.CosineEmbeddingLoss()(ROW, SHARES, labels=SIGNS),
        jaxloss.QuantileLoss(quantile=jnp.array([0.1, 0.5, 0.9]))(ROW, Y),
        jaxloss.WeightedIntervalScore(alpha=jnp.array([0.2]))(ROW, Y),
        jaxloss.CRPSEnsemble(fair=True)(ROW, Y),
        jaxloss.EnergyScore()(ROW, ROW[0]),
        jaxloss.MulticlassBrierScore()(SHARES, LABELS),
        jaxloss.RankedProbabilityScore()(SHARES, LABELS),
        jaxloss.TripletMarginLoss()(ROW, ROW + 1, negatives=SHARES),
    ]


def of_more() -> list[jax.Array]:
    """Losses of batches, regions, sequences and last layers."""
    tails = [(jnp.ones((3, 2)), jnp.ones((2, 2)))]
    return [
        jaxloss.NTXent()(ROW, LABELS * 0),
        jaxloss.CircleLoss()(ROW, LABELS * 0),
        jaxloss.CoxPartialLikelihood(ties="breslow")(ROW, SHARES, events=BITS),
        jaxloss.DiscreteTimeNLL()(ROW, LABELS, events=LABELS * 0),
        jaxloss.CumulativeLinkNLL(link="probit")(X, LABELS, cutpoints=jnp.array([0.0, 1.0])),
        jaxloss.CoralLoss()(ROW, LABELS),
        jaxloss.CornLoss()(ROW, LABELS),
        jaxloss.DiceLoss()(PIXELS, MASK),
        jaxloss.BinaryDiceLoss()(ROW, BITS),
        jaxloss.MulticlassGeneralizedDiceLoss()(PIXELS, MASK),
        jaxloss.TverskyLoss(alpha=0.3)(PIXELS, MASK),
        jaxloss.CTCLoss()(PIXELS, jnp.array([[1]])),
        jaxloss.LinearSoftmaxCrossEntropy(mode="low_memory")(ROW, LABELS, kernel=jnp.ones((3, 4))),
        jaxloss.AdaptiveLogSoftmax()(ROW, LABELS, head=jnp.ones((3, 3)), tails=tails),
    ]


@dataclass(frozen=True, kw_only=True)
class Quartic(jaxloss.Loss):
    """A loss of the user's own."""

    scale: float = 1.0

    def losses(self, predictions: jax.Array, targets: jax.Array) -> jax.Array:
        """One value per element."""
        return self.scale * (predictions - targets) ** 4


def of_a_step() -> list[jax.Array]:
    """Sums of losses, copies, configurations, totals and gradients."""
    both = 0.7 * jaxloss.HuberLoss(delta=2.0) + Quartic(scale=0.1)
    again = jaxloss.Loss.from_config(both.get_config())
    numerator, denominator = jaxloss.HuberLoss().replace(delta=3.0).total(X, Y, where=WHERE)
    step: Callable[[jax.Array], jax.Array] = jax.grad(lambda x: both(x, Y))
    return [again(X, Y), numerator / denominator, step(X), jaxloss.checked(jaxloss.huber_loss)(X, Y)]


def of_second_results() -> list[jax.Array]:
    """Functions that return more than the loss where they are asked to."""
    kernel = jnp.ones((3, 4))
    losses = [
        assert_type(jaxloss.softmax_cross_entropy(ROW, SHARES), jax.Array),
        assert_type(jaxloss.softmax_cross_entropy_with_integer_labels(ROW, LABELS, return_aux=False), jax.Array),
        assert_type(jaxloss.linear_softmax_cross_entropy(ROW, kernel, LABELS), jax.Array),
    ]
    of_shares = jaxloss.softmax_cross_entropy(ROW, SHARES, z_loss=0.1, return_aux=True)
    of_labels = jaxloss.softmax_cross_entropy_with_integer_labels(ROW, LABELS, return_aux=True)
    of_layer = jaxloss.linear_softmax_cross_entropy(ROW, kernel, LABELS, return_aux=True)
    assert_type(of_shares, tuple[jax.Array, jaxloss.SoftmaxAux])
    assert_type(of_labels, tuple[jax.Array, jaxloss.SoftmaxAux])
    assert_type(of_layer, tuple[jax.Array, jaxloss.LinearAux])
    return [*losses, of_shares[1].z_loss, of_labels[1].lse, of_layer[1].n_valid]
