"""The losses of the benchmark beside their peers: the same mathematics on the same arrays, reduced by the mean.

A function of ours or of a JAX peer takes (predictions, targets) and returns the losses, unreduced; one of torch returns
the scalar. `run.py` compares values and gradients, and marks a peer whose answers differ from ours.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")
# Torch's threads wait for each other by spinning, which on a machine that somebody else uses too makes a call of 1 ms
# last 40: told to sleep instead, they lose microseconds at worst.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import jax
import jax.numpy as jnp
import numpy as np
import optax
import shapes

import jaxloss

try:
    import keras
except ImportError:
    keras = None
try:
    import torch
    import torch.nn.functional as F
except ImportError:
    torch = F = None

POS_WEIGHT, SMOOTHING, Z = 3.0, 0.1, 1e-4


@dataclass(frozen=True)
class Row:
    """One loss on one kind of data. `peers` maps a column of the table to the peer's function."""

    name: str
    ours: Callable[..., Any]
    data: Callable[..., tuple[np.ndarray, ...]]
    shapes: dict[str, tuple[int, ...]]
    peers: dict[str, Callable[..., Any]] = field(default_factory=dict)


# -------------------------------------------------------------------------------------------------------------- data


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


def _normal(shape, rng=None, scale=1.0):
    x = (rng or _rng()).standard_normal(shape, dtype=np.float32)
    x *= np.float32(scale)
    return x


def errors(shape):
    rng = _rng()
    return _normal(shape, rng, 2), _normal(shape, rng)


def frames_and_labels(shape):
    batch, frames, classes, length = shape
    rng = _rng()
    return _normal((batch, frames, classes), rng), rng.integers(1, classes, (batch, length)).astype(np.int32)


def log_rates(shape):
    rng = _rng()
    return _normal(shape, rng), rng.poisson(2.0, shape).astype(np.float32)


def rates(shape):
    x, k = log_rates(shape)
    return np.exp(x), k


def logits_and_bits(shape):
    rng = _rng()
    return _normal(shape, rng, 2), (rng.random(shape, dtype=np.float32) < 0.3).astype(np.float32)


def probabilities_and_bits(shape):
    x, y = logits_and_bits(shape)
    return 1 / (1 + np.exp(-x)), y


def logits_and_labels(shape):
    rng = _rng()
    return _normal(shape, rng, 2), rng.integers(0, shape[-1], shape[:-1]).astype(np.int32)


def logits_and_distributions(shape):
    rng = _rng()
    y = rng.standard_exponential(shape, dtype=np.float32)
    y /= y.sum(-1, keepdims=True)
    return _normal(shape, rng, 2), y


def _log_normalised(x):
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def log_probabilities_and_labels(shape):
    x, y = logits_and_labels(shape)
    return _log_normalised(x), y


def log_probabilities_and_distributions(shape):
    x, y = logits_and_distributions(shape)
    return _log_normalised(x), y


def log_probabilities_twice(shape):
    x, y = log_probabilities_and_distributions(shape)
    return x, np.log(y)


def weights(classes: int) -> np.ndarray:
    return np.linspace(0.5, 1.5, classes, dtype=np.float32)


# -------------------------------------------------------------------------------------- what a peer writes by hand


def _optax_integer(x, y, smoothing=0.0, weighted=False, z=0.0):
    """What a user of optax writes for the options that its integer-label cross-entropy lacks."""
    classes = x.shape[-1]
    if smoothing:
        target = optax.losses.smooth_labels(jax.nn.one_hot(y, classes), smoothing)
        losses = optax.losses.softmax_cross_entropy(x, target * weights(classes) if weighted else target)
    else:
        losses = optax.losses.softmax_cross_entropy_with_integer_labels(x, y)
        losses = losses * jnp.asarray(weights(classes))[y] if weighted else losses
    return losses + z * jax.nn.logsumexp(x, -1) ** 2 if z else losses


def _torch_integer(x, y, smoothing=0.0, weighted=False, z=0.0):
    weight = torch.from_numpy(weights(x.shape[-1])).to(x) if weighted else None
    loss = F.cross_entropy(x, y, weight, label_smoothing=smoothing, reduction="none").mean()
    return loss + z * (torch.logsumexp(x, -1) ** 2).mean() if z else loss


def _ours_integer(x, y, smoothing=0.0, weighted=False, z=0.0):
    weight = weights(x.shape[-1]) if weighted else None
    return jaxloss.softmax_cross_entropy_with_integer_labels(
        x, y, label_smoothing=smoothing, class_weights=weight, z_loss=z
    )


def _mean_log(log_softmax):
    return lambda x, y: -jnp.sum(y * log_softmax(x), -1)


def _lgamma_form(x, k):
    return jnp.exp(x) - k * x + jax.lax.lgamma(k + 1)


def _lgamma_form_rate(r, k):
    return r - k * jnp.log(r) + jax.lax.lgamma(k + 1)


def _torch_pos_weight(x, y):
    return F.binary_cross_entropy_with_logits(x, y, pos_weight=torch.tensor(POS_WEIGHT).to(x))


def _keras(name: str, **options) -> dict[str, Callable[..., Any]]:
    """The function of `keras.losses`, in our order of arguments; no column where keras is not installed."""
    return {} if keras is None else {"keras": lambda x, y: getattr(keras.losses, name)(y, x, **options)}


def _keras_focal(x, y, integer):
    y = jax.nn.one_hot(y, x.shape[-1]) if integer else y
    return keras.losses.categorical_focal_crossentropy(y, x, alpha=1.0, gamma=2.0, from_logits=True)


def _ctc(loss):
    def unpadded(x, y):
        return loss(x, jnp.zeros(x.shape[:2]), y, jnp.zeros(y.shape))

    return unpadded


def _torch_ctc(x, y):
    frames, lengths = (torch.full((len(a),), a.shape[1]) for a in (x, y))
    return F.ctc_loss(x.log_softmax(-1).transpose(0, 1), y, frames, lengths, reduction="none").mean()


def rows() -> list[Row]:
    E, R, L = shapes.ELEMENTWISE, shapes.ROWS, shapes.LABELLED
    integer = {
        "": {},
        " smoothing": {"smoothing": SMOOTHING},
        " weights": {"weighted": True},
        " z-loss": {"z": Z},
        " all three": {"smoothing": SMOOTHING, "weighted": True, "z": Z},
    }
    table = [
        Row("squared_error", jaxloss.squared_error, errors, E,
            {"optax": optax.losses.squared_error, "torch": lambda x, y: F.mse_loss(x, y),
             **_keras("mean_squared_error")}),
        Row("l2_loss", jaxloss.l2_loss, errors, E,
            {"optax": optax.losses.l2_loss, "torch": lambda x, y: 0.5 * F.mse_loss(x, y)}),
        Row("absolute_error", jaxloss.absolute_error, errors, E,
            {"torch": lambda x, y: F.l1_loss(x, y), **_keras("mean_absolute_error")}),
        Row("huber_loss", jaxloss.huber_loss, errors, E,
            {"optax": optax.losses.huber_loss, "torch": lambda x, y: F.huber_loss(x, y), **_keras("huber")}),
        Row("log_cosh", jaxloss.log_cosh, errors, E, {"optax": optax.losses.log_cosh, **_keras("log_cosh")}),
        Row("poisson_nll", jaxloss.poisson_nll, log_rates, E,
            {"torch": lambda x, k: F.poisson_nll_loss(x, k)}),
        Row("poisson_nll stirling", partial(jaxloss.poisson_nll, full="stirling"), log_rates, E,
            {"torch": lambda x, k: F.poisson_nll_loss(x, k, full=True)}),
        Row("poisson_nll exact", partial(jaxloss.poisson_nll, full="exact"), log_rates, E,
            {"jax": _lgamma_form}),
        Row("poisson_nll rate", partial(jaxloss.poisson_nll, log_input=False), rates, E,
            {"torch": lambda r, k: F.poisson_nll_loss(r, k, log_input=False), **_keras("poisson")}),
        Row("poisson_nll rate exact", partial(jaxloss.poisson_nll, log_input=False, full="exact"), rates, E,
            {"jax": _lgamma_form_rate}),
        Row("sigmoid_binary_cross_entropy", jaxloss.sigmoid_binary_cross_entropy, logits_and_bits, E,
            {"optax": optax.losses.sigmoid_binary_cross_entropy,
             "torch": lambda x, y: F.binary_cross_entropy_with_logits(x, y),
             **_keras("binary_crossentropy", from_logits=True)}),
        Row("sigmoid_binary_cross_entropy pos_weight",
            partial(jaxloss.sigmoid_binary_cross_entropy, pos_weight=POS_WEIGHT), logits_and_bits, E,
            {"torch": _torch_pos_weight}),
        Row("binary_cross_entropy", jaxloss.binary_cross_entropy, probabilities_and_bits, E,
            {"torch": lambda p, y: F.binary_cross_entropy(p, y), **_keras("binary_crossentropy")}),
        Row("sigmoid_focal_loss", jaxloss.sigmoid_focal_loss, logits_and_bits, E,
            {"optax": optax.losses.sigmoid_focal_loss,
             **_keras("binary_focal_crossentropy", from_logits=True, gamma=2.0)}),
        *(Row(f"softmax_cross_entropy_with_integer_labels{name}", partial(_ours_integer, **options),
              logits_and_labels, L,
              {"optax": partial(_optax_integer, **options), "torch": partial(_torch_integer, **options),
               **({} if options else _keras("sparse_categorical_crossentropy", from_logits=True))})
          for name, options in integer.items()),
        Row("softmax_cross_entropy", jaxloss.softmax_cross_entropy, logits_and_distributions, L,
            {"optax": optax.losses.softmax_cross_entropy, "torch": lambda x, y: F.cross_entropy(x, y),
             **_keras("categorical_crossentropy", from_logits=True)}),
        Row("log_softmax distributions", _mean_log(jaxloss.log_softmax), logits_and_distributions, R,
            {"torch": lambda x, y: -(F.log_softmax(x, -1) * y).sum(-1).mean(), "jax": _mean_log(jax.nn.log_softmax)}),
        Row("nll_loss", jaxloss.nll_loss, log_probabilities_and_labels, R,
            {"torch": lambda x, y: F.nll_loss(x, y)}),
        Row("kl_divergence", jaxloss.kl_divergence, log_probabilities_and_distributions, R,
            {"optax": optax.losses.kl_divergence, "torch": lambda x, y: F.kl_div(x, y, reduction="batchmean")}),
        Row("kl_divergence of log_softmax", lambda x, y: jaxloss.kl_divergence(jaxloss.log_softmax(x), y),
            logits_and_distributions, R,
            {"optax": lambda x, y: optax.losses.kl_divergence(jax.nn.log_softmax(x), y),
             "torch": lambda x, y: F.kl_div(F.log_softmax(x, -1), y, reduction="batchmean")}),
        Row("kl_divergence_with_log_targets", jaxloss.kl_divergence_with_log_targets, log_probabilities_twice, R,
            {"optax": optax.losses.kl_divergence_with_log_targets,
             "torch": lambda x, y: F.kl_div(x, y, reduction="batchmean", log_target=True)}),
        Row("generalized_kl_divergence", jaxloss.generalized_kl_divergence, log_probabilities_and_distributions, R,
            {"optax": optax.losses.generalized_kl_divergence}),
        Row("softmax_focal_loss", jaxloss.softmax_focal_loss, logits_and_labels, R,
            {"keras": partial(_keras_focal, integer=True)} if keras else {}),
        Row("softmax_focal_loss distributions", jaxloss.softmax_focal_loss, logits_and_distributions, R,
            {"keras": partial(_keras_focal, integer=False)} if keras else {}),
        Row("ctc_loss", _ctc(jaxloss.ctc_loss), frames_and_labels, shapes.SEQUENCES,
            {"optax": _ctc(optax.losses.ctc_loss), "torch": _torch_ctc, **_keras("ctc")}),
    ]  # fmt: skip
    return table
