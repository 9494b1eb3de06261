"""The losses of embeddings, regions, lists and probabilities of the benchmark beside their peers, at one shape each.

`run.py` alone times them: `aot_rows.py` and `gpu.py` have the rows of the other files.
"""

from functools import cache, partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import margins
import numpy as np
import optax
import peers
from peers import F, Row, torch
from shapes import IMAGES

import jaxloss
import jaxloss.torch.functional

EMBEDDINGS, CLOSE = {"8192x256": (8192, 256)}, {"1024x64": (1024, 64)}
LISTS = {"8192x100": (8192, 100)}
MASKS, REGIONS = {"32x16384x1": (32, 16384, 1)}, {"32x4096x10": (32, 4096, 10)}
PIXELS, SEQUENCES = {"32x16384x10": (32, 16384, 10)}, {"16x200x32x40": (16, 200, 32, 40)}
FEW_LABELS = {"256x1000 5 labels": (256, 1000)}
CUTOFFS, VOCABULARY, WIDTH = (1000, 4000), 10000, 64
ADAPTIVE = {"4096x64x10000": (4096, WIDTH)}


# ---------------------------------------------------------------------------------------------------------------- data


def anchors_and_others(shape):
    """The positives and the negatives stand in one array."""
    rng = np.random.default_rng(0)
    return rng.standard_normal(shape, np.float32), rng.standard_normal((2, *shape), np.float32)


def unit_vectors_and_labels(shape):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape, np.float32)
    return x / np.linalg.norm(x, axis=-1, keepdims=True), rng.integers(0, 100, shape[0]).astype(np.int32)


def scores_and_relevances(shape):
    x, y = peers.errors(shape)
    return x, np.abs(y)


def probabilities_and_labels(shape):
    x, y = peers.log_probabilities_and_labels(shape)
    return np.exp(x), y


def probabilities_and_distributions(shape):
    x, y = peers.log_probabilities_and_distributions(shape)
    return np.exp(x), y


def class_probabilities_and_one_hots(shape):
    x, y = margins.logits_and_one_hots(shape)
    return np.exp(peers._log_normalised(x)), y


def logits_and_five_labels(shape):
    x, _ = peers.logits_and_labels(shape)
    lists = np.full(shape, -1, np.int32)
    lists[:, :5] = np.argsort(np.random.default_rng(0).random(shape, dtype=np.float32), -1)[:, :5]
    return x, lists


def means_and_observations(shape):
    """The observations and the variances stand in one array."""
    rng = np.random.default_rng(0)
    observed = np.stack([rng.standard_normal(shape, np.float32), 0.5 + rng.random(shape, np.float32)])
    return rng.standard_normal(shape, np.float32), observed


def hidden_and_words(shape):
    """Low classes are frequent."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape, np.float32)
    return x, (VOCABULARY * rng.random(shape[0]) ** 3).astype(np.int32)


# -------------------------------------------------------------------------------------------------- by other arguments


@cache
def _adaptive_layers():
    """The kernels of the head, and of each cluster its projection and its kernel."""
    rng, tails, width = np.random.default_rng(1), [], WIDTH

    def kernel(n, m):
        return rng.standard_normal((n, m), np.float32) / np.float32(np.sqrt(n))

    for low, high in pairwise((*CUTOFFS, VOCABULARY)):
        width //= 4
        tails.append((kernel(WIDTH, width), kernel(width, high - low)))
    return kernel(WIDTH, CUTOFFS[0] + len(tails)), tails


def _adaptive(x, y):
    head, tails = _adaptive_layers()
    return jaxloss.adaptive_log_softmax(x, y, head=head, tails=tails)


@cache
def _torch_adaptive_module():
    head, tails = _adaptive_layers()
    module = torch.nn.AdaptiveLogSoftmaxWithLoss(WIDTH, VOCABULARY, list(CUTOFFS), div_value=4.0)
    with torch.no_grad():
        module.head.weight.copy_(torch.from_numpy(head.T.copy()))
        for layers, kernels in zip(module.tail, tails, strict=True):
            for layer, kernel in zip(layers, kernels, strict=True):
                layer.weight.copy_(torch.from_numpy(kernel.T.copy()))
    return module.requires_grad_(False)


def _fenchel_young(library):
    return lambda x, y: library.make_fenchel_young_loss(jax.nn.logsumexp)(x, y)


def _forward_probs(library):
    def first(x, y):
        return library.ctc_loss_with_forward_probs(x, jnp.zeros(x.shape[:2]), y, jnp.zeros(y.shape))[0]

    return first


def _with_others(triplet, **options):
    return lambda a, y: triplet(a, y[0], y[1], **options)


def _opposite(columns):
    """Keras minimises the similarity times -1."""
    return {name: lambda x, y, f=f: -f(x, y) for name, f in columns.items()}


def _only_torch(loss):
    return {} if F is None else {"torch": loss}


def rows() -> list[Row]:
    """The rows of these losses."""
    keras, of_optax = peers._keras, margins._optax
    distance = jaxloss.torch.functional.triplet_margin_with_distance_loss
    return [
        Row("triplet_margin_loss", _with_others(jaxloss.triplet_margin_loss), anchors_and_others, EMBEDDINGS,
            {"optax": _with_others(optax.losses.triplet_margin_loss),
             **_only_torch(lambda a, y: F.triplet_margin_loss(a, y[0], y[1]))}),
        Row("triplet_margin_with_distance_loss", _with_others(distance, reduction="none"), anchors_and_others,
            EMBEDDINGS, _only_torch(lambda a, y: F.triplet_margin_with_distance_loss(a, y[0], y[1]))),
        Row("cosine_similarity", jaxloss.cosine_similarity, peers.errors, IMAGES,
            {**of_optax("cosine_similarity"), **_opposite(keras("cosine_similarity"))}),
        Row("ntxent", jaxloss.ntxent, unit_vectors_and_labels, CLOSE, of_optax("ntxent")),
        Row("circle_loss", jaxloss.circle_loss, unit_vectors_and_labels, CLOSE, keras("circle")),
        Row("binary_dice_loss", jaxloss.binary_dice_loss, peers.logits_and_bits, MASKS, of_optax("binary_dice_loss")),
        Row("binary_dice_loss of probabilities",
            partial(jaxloss.binary_dice_loss, apply_sigmoid=False, smooth=0.0, axis=(1, 2)),
            peers.probabilities_and_bits, MASKS, keras("dice", axis=(1, 2))),
        Row("dice_loss of probabilities", partial(jaxloss.dice_loss, apply_softmax=False, smooth=0.0, axis=1),
            class_probabilities_and_one_hots, PIXELS, keras("dice", axis=1)),
        Row("multiclass_generalized_dice_loss", jaxloss.multiclass_generalized_dice_loss, margins.logits_and_one_hots,
            REGIONS, of_optax("multiclass_generalized_dice_loss")),
        Row("ranking_softmax_loss", jaxloss.ranking_softmax_loss, scores_and_relevances, LISTS,
            of_optax("ranking_softmax_loss")),
        Row("multilabel_margin_loss", jaxloss.multilabel_margin_loss, logits_and_five_labels, FEW_LABELS,
            margins._torch("multilabel_margin_loss")),
        Row("safe_softmax_cross_entropy", jaxloss.safe_softmax_cross_entropy, peers.logits_and_distributions, IMAGES,
            of_optax("safe_softmax_cross_entropy")),
        Row("make_fenchel_young_loss", _fenchel_young(jaxloss), peers.logits_and_distributions, IMAGES,
            {"optax": _fenchel_young(optax.losses)}),
        Row("generalized_cross_entropy", partial(jaxloss.generalized_cross_entropy, q=0.5), probabilities_and_labels,
            IMAGES, keras("categorical_generalized_cross_entropy", q=0.5)),
        Row("sparse_categorical_cross_entropy", jaxloss.sparse_categorical_cross_entropy, probabilities_and_labels,
            IMAGES, keras("sparse_categorical_crossentropy")),
        Row("categorical_cross_entropy", jaxloss.categorical_cross_entropy, probabilities_and_distributions, IMAGES,
            keras("categorical_crossentropy")),
        Row("kl_divergence_from_probabilities", jaxloss.kl_divergence_from_probabilities,
            probabilities_and_distributions, IMAGES, keras("kl_divergence")),
        Row("ctc_loss_with_forward_probs", _forward_probs(jaxloss), peers.frames_and_labels, SEQUENCES,
            {"optax": _forward_probs(optax.losses)}),
        Row("gaussian_nll of variances", lambda x, y: jaxloss.gaussian_nll(x, y[0], variance=y[1]),
            means_and_observations, {"1M": (1 << 20,)},
            _only_torch(lambda x, y: F.gaussian_nll_loss(x, y[0], y[1]))),
        Row("adaptive_log_softmax", _adaptive, hidden_and_words, ADAPTIVE,
            _only_torch(lambda x, y: _torch_adaptive_module()(x, y).loss)),
    ]  # fmt: skip
