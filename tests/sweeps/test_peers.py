"""The peers' answers on the same inputs, where they are right: optax always, torch and Keras where installed."""

import importlib.util
import inspect

import jax
import numpy as np
import optax
import pytest

import jaxloss
from tests import cases
from tests.compiling import jit

BOTH = [
    name for name in sorted(jaxloss.__all__) if hasattr(optax.losses, name) and callable(getattr(optax.losses, name))
]
# Names of optax for what has another name in the rows of tests/losses.
ROWS = {
    "convex_kl_divergence": "generalized_kl_divergence",
    "safe_softmax_cross_entropy": "softmax_cross_entropy",
}


def _arguments(name):
    fn = getattr(jaxloss, ROWS.get(name, name))
    if name == "smooth_labels":
        return (cases.distribution(np.random.default_rng(0), (16, 5)), 0.1)
    if name == "cosine_similarity":
        return tuple(cases.normal(np.random.default_rng(0), (2, 16, 5)))
    if name == "multiclass_generalized_dice_loss":  # of one batch, as in optax
        x = cases.normal(np.random.default_rng(0), (2, 10, 5))
        return x, np.eye(5, dtype=np.float32)[np.arange(20) % 5].reshape(x.shape)
    if name == "ntxent":  # of one batch, as in optax
        return tuple(next(case for case in cases.collect() if case.fn is fn).draw(3, batch=()).values())
    if name.startswith("ctc_loss"):
        rng = np.random.default_rng(0)
        frames, labels = np.array([9, 7, 5, 9]), np.array([3, 0, 2, 4])
        paddings = (np.arange(9) >= frames[:, None], np.arange(4) >= labels[:, None])
        logits, indices = cases.normal(rng, (4, 9, 5)), rng.integers(1, 5, (4, 4)).astype(np.int32)
        return logits, paddings[0].astype(np.float32), indices, paddings[1].astype(np.float32)
    return tuple(next(case for case in cases.collect() if case.fn is fn).draw(3).values())


def test_the_losses_that_optax_has_are_all_compared():
    assert set(BOTH) == {
        "binary_dice_loss",
        "convex_kl_divergence",
        "cosine_distance",
        "cosine_similarity",
        "ctc_loss",
        "ctc_loss_with_forward_probs",
        "dice_loss",
        "generalized_kl_divergence",
        "hinge_loss",
        "huber_loss",
        "kl_divergence",
        "kl_divergence_with_log_targets",
        "l2_loss",
        "log_cosh",
        "make_fenchel_young_loss",
        "multiclass_generalized_dice_loss",
        "multiclass_hinge_loss",
        "multiclass_perceptron_loss",
        "multiclass_sparsemax_loss",
        "ntxent",
        "perceptron_loss",
        "poly_loss_cross_entropy",
        "ranking_softmax_loss",
        "safe_softmax_cross_entropy",
        "sigmoid_binary_cross_entropy",
        "sigmoid_focal_loss",
        "smooth_labels",
        "softmax_cross_entropy",
        "softmax_cross_entropy_with_integer_labels",
        "sparsemax_loss",
        "squared_error",
        "triplet_margin_loss",
    }


@pytest.mark.parametrize("name", BOTH)
def test_a_name_of_optax_has_its_signature(name):
    ours = inspect.signature(getattr(jaxloss, name)).parameters
    theirs = inspect.signature(getattr(optax.losses, name)).parameters
    for position, (argument, parameter) in enumerate(theirs.items()):
        assert argument in ours
        assert ours[argument].default == parameter.default
        assert ours[argument].kind == parameter.kind
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            assert list(ours)[position] == argument
    extra = [p for argument, p in ours.items() if argument not in theirs]
    assert all(p.kind is p.KEYWORD_ONLY for p in extra)


# What makes a loss is compared in tests/losses/classification/test_fenchel_young.py, and what returns three arrays in
# tests/losses/sequence/test_ctc_forward.py.
@pytest.mark.parametrize("name", [name for name in BOTH if not (name.startswith("make_") or name.endswith("_probs"))])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_answers_are_optaxs(name):
    arguments = _arguments(name)
    ours, theirs = getattr(jaxloss, name), getattr(optax.losses, name)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        run = jax.jit(
            lambda x, *rest: [(f(x, *rest), jax.grad(lambda x: f(x, *rest).sum())(x)) for f in (ours, theirs)]
        )
        answers = run(*arguments)
    for got, expected in zip(*answers, strict=True):
        np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("huber_loss", {"delta": 0.3}),
        ("sigmoid_focal_loss", {"alpha": 0.25, "gamma": 1.5}),
        ("softmax_cross_entropy", {"axis": 0}),
        ("softmax_cross_entropy", {"axis": (0, 1)}),
        ("softmax_cross_entropy", {"axis": None}),
        ("softmax_cross_entropy", {"where": np.arange(80).reshape(16, 5) % 3 > 0}),
        ("softmax_cross_entropy", {"where": np.arange(16) % 3 > 0}),
        ("softmax_cross_entropy_with_integer_labels", {"where": np.arange(16) % 3 > 0}),
        ("kl_divergence", {"axis": 0}),
        ("kl_divergence", {"axis": None}),
        ("kl_divergence", {"where": np.arange(80).reshape(16, 5) % 3 > 0}),
        ("generalized_kl_divergence", {"axis": 0, "where": np.arange(80).reshape(16, 5) % 3 > 0}),
        ("smooth_labels", {"axis": 0}),
    ],
)
def test_the_answers_are_optaxs_with_options(name, kwargs):
    arguments = _arguments(name)
    run = lambda library: jit(lambda *arguments: getattr(library, name)(*arguments, **kwargs))(*arguments)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        theirs = run(optax.losses)
    np.testing.assert_allclose(run(jaxloss), theirs, rtol=2e-5, atol=2e-6)


needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
WEIGHTS = np.float32([0.5, 1.0, 2.0, 0.25, 3.0])
TORCH = [
    ("huber_loss", {"delta": 0.75}, "huber_loss", {"delta": 0.75}),
    ("squared_error", {}, "mse_loss", {}),
    ("absolute_error", {}, "l1_loss", {}),
    ("smooth_l1_loss", {"beta": 0.75}, "smooth_l1_loss", {"beta": 0.75}),
    ("hinge_embedding_loss", {"margin": 0.75}, "hinge_embedding_loss", {"margin": 0.75}),
    ("poisson_nll", {}, "poisson_nll_loss", {}),
    ("poisson_nll", {"full": "stirling"}, "poisson_nll_loss", {"full": True}),
    ("poisson_nll", {"log_input": False, "eps": 1e-8}, "poisson_nll_loss", {"log_input": False}),
    ("sigmoid_binary_cross_entropy", {}, "binary_cross_entropy_with_logits", {}),
    ("sigmoid_binary_cross_entropy", {"pos_weight": 2.5}, "binary_cross_entropy_with_logits", {"pos_weight": 2.5}),
    ("binary_cross_entropy", {}, "binary_cross_entropy", {}),
    ("softmax_cross_entropy", {}, "cross_entropy", {}),
    ("softmax_cross_entropy", {"label_smoothing": 0.1}, "cross_entropy", {"label_smoothing": 0.1}),
    ("softmax_cross_entropy", {"class_weights": WEIGHTS}, "cross_entropy", {"weight": WEIGHTS}),
    ("softmax_cross_entropy_with_integer_labels", {}, "cross_entropy", {}),
    (
        "softmax_cross_entropy_with_integer_labels",
        {"class_weights": WEIGHTS, "label_smoothing": 0.1, "ignore_index": 2},
        "cross_entropy",
        {"weight": WEIGHTS, "label_smoothing": 0.1, "ignore_index": 2},
    ),
    ("nll_loss", {"class_weights": WEIGHTS, "ignore_index": 2}, "nll_loss", {"weight": WEIGHTS, "ignore_index": 2}),
    ("soft_margin_loss", {}, "soft_margin_loss", {}),
    ("multi_margin_loss", {}, "multi_margin_loss", {}),
    (
        "multi_margin_loss",
        {"p": 2, "margin": 0.75, "class_weights": WEIGHTS},
        "multi_margin_loss",
        {"p": 2, "margin": 0.75, "weight": WEIGHTS},
    ),
    ("multilabel_soft_margin_loss", {}, "multilabel_soft_margin_loss", {}),
    (
        "multilabel_soft_margin_loss",
        {"class_weights": WEIGHTS},
        "multilabel_soft_margin_loss",
        {"weight": WEIGHTS},
    ),
    ("kl_divergence", {}, "kl_div", {}),
    ("kl_divergence_with_log_targets", {}, "kl_div", {"log_target": True}),
]


@needs_torch
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "kwargs", "peer", "peer_kwargs"), TORCH, ids=[f"{r[0]}-{list(r[1])}" for r in TORCH])
def test_the_answers_are_torchs(name, kwargs, peer, peer_kwargs):
    import torch

    fn = getattr(jaxloss, name)
    case = next(
        c for c in cases.collect() if c.fn is fn and c.options.get("log_input", True) == kwargs.get("log_input", True)
    )
    p, t = case.draw(4).values()
    as_torch = lambda x: torch.tensor(x) if isinstance(x, np.ndarray) else x
    options = {k: as_torch(np.float32(v) if k == "pos_weight" else v) for k, v in peer_kwargs.items()}
    options = {k: torch.tensor(float(v)) if k == "pos_weight" else v for k, v in options.items()}
    x = torch.tensor(p, requires_grad=True)
    y = torch.tensor(t.astype(np.int64) if case.labels else t)
    theirs = getattr(torch.nn.functional, peer)(x, y, reduction="none", **options)
    theirs.sum().backward()
    theirs = theirs.detach().numpy()
    theirs = theirs.sum(-1) if peer == "kl_div" else theirs
    loss = lambda p: fn(p, t, **kwargs)
    value, slope = jit(lambda p: (loss(p), jax.grad(lambda p: loss(p).sum())(p)))(p)
    np.testing.assert_allclose(value, theirs, rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(slope, x.grad.numpy(), rtol=2e-5, atol=2e-6)


needs_keras = pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="keras is not installed")
SMOOTH_LOGITS = {"from_logits": True, "label_smoothing": 0.1}
BALANCED_LOGITS = {"from_logits": True, "gamma": 3.0, "apply_class_balancing": True}
KERAS = [
    ("poisson_nll", {"log_input": False}, "poisson", {}),
    ("huber_loss", {"delta": 0.75}, "huber", {"delta": 0.75}),
    ("log_cosh", {}, "log_cosh", {}),
    ("sigmoid_binary_cross_entropy", {"label_smoothing": 0.1}, "binary_crossentropy", SMOOTH_LOGITS),
    ("binary_cross_entropy", {}, "binary_crossentropy", {}),
    ("sigmoid_focal_loss", {"alpha": 0.25, "gamma": 3.0}, "binary_focal_crossentropy", BALANCED_LOGITS),
    ("softmax_cross_entropy", {"label_smoothing": 0.1}, "categorical_crossentropy", SMOOTH_LOGITS),
    ("categorical_cross_entropy", {}, "categorical_crossentropy", {}),
    ("softmax_cross_entropy_with_integer_labels", {}, "sparse_categorical_crossentropy", {"from_logits": True}),
    ("sparse_categorical_cross_entropy", {}, "sparse_categorical_crossentropy", {}),
    ("softmax_focal_loss", {"alpha": 0.25, "gamma": 2.0}, "categorical_focal_crossentropy", {"from_logits": True}),
    ("categorical_hinge_loss", {}, "categorical_hinge", {}),
    ("squared_hinge_loss", {}, "squared_hinge", {}),
    ("kl_divergence_from_probabilities", {}, "kl_divergence", {}),
]  # fmt: skip


@needs_keras
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "kwargs", "peer", "peer_kwargs"), KERAS, ids=[row[0] for row in KERAS])
def test_the_answers_are_keras_up_to_its_clipping(name, kwargs, peer, peer_kwargs):
    import keras

    fn = getattr(jaxloss, name)
    wanted = kwargs.get("log_input", True)
    case = next(c for c in cases.collect() if c.fn is fn and c.options.get("log_input", True) == wanted)
    p, t = case.draw(5).values()
    if peer == "categorical_focal_crossentropy":
        t = np.eye(cases.CLASSES, dtype=np.float32)[t]
    batched = (t, p) if case.classes else (t[:, None], p[:, None])
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        theirs = jit(lambda t, p: getattr(keras.losses, peer)(t, p, **peer_kwargs))(*batched)
    np.testing.assert_allclose(jit(lambda p, t: fn(p, t, **kwargs))(p, t), theirs, rtol=1e-4, atol=1e-5)


def test_where_optax_is_wrong_we_are_not():
    """Labels out of range, masked true classes, confident examples: PEERS' defects, kept from coming back."""
    x = np.array([[2.0, 0.0, -1.0]], np.float32)
    loss = jit(jaxloss.softmax_cross_entropy_with_integer_labels)
    assert np.isnan(loss(x, np.array([-1]))[0])  # optax wraps it
    where = np.array([[False, True, True]])
    masked = lambda x: jaxloss.softmax_cross_entropy_with_integer_labels(x, np.array([0]), where=where).sum()
    assert not np.any(jit(jax.grad(masked))(x))  # optax: -1 into the masked logit
    assert loss(20 * x, np.array([0]))[0] > 0  # optax: 0
    assert jit(jaxloss.log_cosh)(np.float32(1e-4)) > 0  # optax: 0
