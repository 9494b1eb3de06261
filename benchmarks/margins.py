"""The losses of margins, embeddings and masks of the benchmark beside their peers."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import peers
import shapes
from peers import F, Row, torch

import jaxloss


def outputs_and_signs(shape):
    x, y = peers.logits_and_bits(shape)
    return x, 2 * y - 1


def positive_pairs(shape):
    rng = np.random.default_rng(0)
    return rng.gamma(2, 1, shape).astype(np.float32), rng.gamma(2, 1, shape).astype(np.float32)


def logits_and_one_hots(shape):
    x, y = peers.logits_and_labels(shape)
    return x, np.eye(shape[-1], dtype=np.float32)[y]


def logits_and_label_lists(shape):
    """A tenth of the classes are labels of a row, and -1 after them."""
    x, _ = peers.logits_and_labels(shape)
    rng, count = np.random.default_rng(0), max(1, shape[-1] // 10)
    lists = np.full(shape, -1, np.int32)
    lists[:, :count] = np.argsort(rng.random(shape, dtype=np.float32), -1)[:, :count]
    return x, lists


def probabilities_and_one_hots(shape):
    x, y = logits_and_one_hots(shape)
    return 1 / (1 + np.exp(-x)), y


def _torch(name: str, **options) -> dict[str, Callable[..., Any]]:
    return {} if F is None else {"torch": lambda x, y: getattr(F, name)(x, y, **options)}


def _optax(name: str, **options) -> dict[str, Callable[..., Any]]:
    return {"optax": partial(getattr(optax.losses, name), **options)}


def _torch_ranking(x, y):
    return F.margin_ranking_loss(x, torch.zeros_like(x), y, margin=0.5)


def _torch_cosine(x, y):
    return F.cosine_embedding_loss(x, y, torch.ones(len(x)).to(x))


def rows() -> list[Row]:
    """The rows of these losses."""
    E, R, keras = shapes.ELEMENTWISE, shapes.ROWS, peers._keras
    short = {k: v for k, v in R.items() if v[-1] <= 1000}
    labels = peers.logits_and_labels
    return [
        Row("smooth_l1_loss", jaxloss.smooth_l1_loss, peers.errors, E, _torch("smooth_l1_loss")),
        Row("hinge_loss", jaxloss.hinge_loss, outputs_and_signs, E, {**_optax("hinge_loss"), **keras("hinge")}),
        Row("squared_hinge_loss", jaxloss.squared_hinge_loss, outputs_and_signs, E, keras("squared_hinge")),
        Row("perceptron_loss", jaxloss.perceptron_loss, outputs_and_signs, E, _optax("perceptron_loss")),
        Row("soft_margin_loss", jaxloss.soft_margin_loss, outputs_and_signs, E, _torch("soft_margin_loss")),
        Row("sparsemax_loss", jaxloss.sparsemax_loss, peers.logits_and_bits, E, _optax("sparsemax_loss")),
        Row("margin_ranking_loss", lambda x, y: jaxloss.margin_ranking_loss(x, 0 * x, order=y, margin=0.5),
            outputs_and_signs, E, {"torch": _torch_ranking} if F else {}),
        Row("hinge_embedding_loss", jaxloss.hinge_embedding_loss, outputs_and_signs, E, _torch("hinge_embedding_loss")),
        Row("absolute_percentage_error", lambda x, y: 100 * jaxloss.absolute_percentage_error(x, y), positive_pairs, E,
            keras("mean_absolute_percentage_error")),
        Row("squared_log_error", jaxloss.squared_log_error, positive_pairs, E, keras("mean_squared_logarithmic_error")),
        Row("multiclass_hinge_loss", jaxloss.multiclass_hinge_loss, labels, R, _optax("multiclass_hinge_loss")),
        Row("multiclass_perceptron_loss", jaxloss.multiclass_perceptron_loss, labels, R,
            _optax("multiclass_perceptron_loss")),
        Row("multi_margin_loss", jaxloss.multi_margin_loss, labels, R, _torch("multi_margin_loss")),
        Row("categorical_hinge_loss", jaxloss.categorical_hinge_loss, logits_and_one_hots, short,
            keras("categorical_hinge")),
        Row("multiclass_sparsemax_loss", jaxloss.multiclass_sparsemax_loss, labels, R,
            _optax("multiclass_sparsemax_loss")),
        Row("poly_loss_cross_entropy", jaxloss.poly_loss_cross_entropy, peers.logits_and_distributions, R,
            _optax("poly_loss_cross_entropy")),
        Row("multilabel_soft_margin_loss", jaxloss.multilabel_soft_margin_loss, peers.logits_and_bits, R,
            _torch("multilabel_soft_margin_loss")),
        Row("multilabel_margin_loss", jaxloss.multilabel_margin_loss, logits_and_label_lists, {"2048x100": (2048, 100)},
            _torch("multilabel_margin_loss")),
        Row("cosine_distance", jaxloss.cosine_distance, peers.errors, {"8192x1000": (8192, 1000)},
            _optax("cosine_distance")),
        Row("cosine_embedding_loss",
            lambda x, y: jaxloss.cosine_embedding_loss(x, y, labels=jnp.ones(len(x))), peers.errors,
            {"8192x1000": (8192, 1000)}, {"torch": _torch_cosine} if F else {}),
        Row("dice_loss", lambda x, y: jaxloss.dice_loss(x, y, axis=1), logits_and_one_hots,
            {"32x16384x10": (32, 16384, 10)}, {"optax": lambda x, y: optax.losses.dice_loss(x, y, axis=1)}),
        Row("tversky_loss", lambda x, y: jaxloss.tversky_loss(x, y, alpha=0.3, beta=0.7, smooth=0.0, axis=1,
                                                              apply_softmax=False),
            probabilities_and_one_hots, {"32x16384x10": (32, 16384, 10)},
            keras("tversky", alpha=0.7, beta=0.3, axis=1)),
    ]  # fmt: skip
