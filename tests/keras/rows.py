"""The rows of `jaxloss.keras`, and how Keras is asked, on its JAX backend."""

import copy
import inspect
import itertools
import json
import pickle
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec

import jax
import jax.numpy as jnp
import numpy as np

import jaxloss.keras as ours
from tests import cases
from tests.cases import BITS, COUNTS, LABELS, LOG_ODDS, LOGITS, PROBABILITIES, RATES, REALS, Domain
from tests.compiling import jit
from tests.dropins.rows import Row, answered, ignoring, second

BEFORE_3_16 = find_spec("keras") is not None and tuple(map(int, version("keras").split(".")[:2])) < (3, 16)
WAYS = [
    ("mean_with_sample_weight", "losses"),
    ("sum_over_batch_size", "losses"),
    ("sum", "scalar"),
    ("mean", "none"),
    ("none", "losses"),
    (None, "none"),
]
"""Reductions, with weights: the first of any row, all of thorough ones, and where all is asked for each with each."""


@dataclass(frozen=True, eq=False)
class KerasRow(Row):
    library = ours
    peer = "keras"
    shape = (4, 3)
    lengths = {"f": 7}
    common = ("reduction", "name", "dtype")
    draws = 2
    reductions = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)

    @property
    def labels(self):
        """Whether the targets are class indices."""
        return not self.arrays["y_true"].differentiable

    @property
    def has_form(self):
        return self.options.keys() <= inspect.signature(self.form).parameters.keys()

    def losses(self, arrays, options=None):
        return self.fn(*self.ordered(arrays), **{**self.given(), **(options or {})})

    def told(self, library, options):
        """The options, as a library means them: Keras below 3.16 weighs with alpha what is missed."""
        swapped = {"alpha": "beta", "beta": "alpha"}
        if library is ours or self.fn is not ours.tversky or not BEFORE_3_16:
            return options
        return {swapped.get(name, name): value for name, value in options.items()}

    def comparable(self, arrays):
        """The arrays as both are asked for: embeddings of length 1, along which Keras' slope has another part."""
        if self.fn is not ours.circle:
            return arrays
        x = jnp.asarray(arrays["y_pred"])
        return {**arrays, "y_pred": x / jnp.linalg.norm(x, axis=-1, keepdims=True)}

    @property
    def newer(self):
        """The options that Keras has from 3.16 on; an older one is asked for the loss of one-hot labels instead."""
        return {"label_smoothing"} if BEFORE_3_16 and self.fn is ours.sparse_categorical_crossentropy else set()

    def asked(self, library, arrays, options):
        """The function and the class of a library, and the arrays that they take."""
        function, form = self.fn.__name__, self.form.__name__
        if library is not ours and self.newer & options.keys():
            function, form = "categorical_crossentropy", "CategoricalCrossentropy"
            arrays = {**arrays, "y_true": jax.nn.one_hot(arrays["y_true"], arrays["y_pred"].shape[-1])}
        return getattr(library, function), getattr(library, form), arrays

    def answers(self, library, arrays, fully):
        arrays = self.comparable(arrays)
        options, weights = self.told(library, self.given()), self._weights(arrays)
        function, form, arrays = self.asked(library, arrays, options)
        if library is not ours and self.fn is ours.sparse_categorical_crossentropy and "axis" in options:
            # On JAX Keras takes these classes on the last axis only.
            arrays = {**arrays, "y_pred": jnp.moveaxis(arrays["y_pred"], options.pop("axis"), -1)}
        found = {"function": function(*self.ordered(arrays), **options)} if fully else {}
        for reduction, what in self._ways(weights) if self.has_form else ():
            loss = form(**options, reduction=reduction)
            value = loss(*self.ordered(arrays), sample_weight=weights[what])
            # Of such a weight Keras leaves its axis to losses that are not reduced.
            found[f"{reduction}, weights {what}"] = value.sum() if what == "a trailing axis" else value
        return found

    def _weights(self, arrays):
        rng, shape = np.random.default_rng(1), jax.eval_shape(self.losses, arrays).shape
        weights = {"none": None, "scalar": np.float32(1.7), "losses": np.float32(rng.uniform(0.1, 2, shape))}
        return weights | ({"a trailing axis": weights["losses"][:, None]} if len(shape) == 1 else {})

    def _ways(self, weights):
        if cases.EVERY:
            ways = list(itertools.product(self.reductions, weights))
        else:
            ways = WAYS if self.thorough else WAYS[:1]
        # For a scalar weight Keras divides by that one, not by as many as there are losses; for a scalar loss by none.
        unequal = ("scalar", "losses") if np.ndim(weights["losses"]) == 0 else ("scalar",)
        return [way for way in ways if way[0] != "mean_with_sample_weight" or way[1] not in unequal]

    def peers(self, arrays, fully):
        import keras

        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            return jit(lambda arrays: answered(lambda arrays: self.answers(keras.losses, arrays, fully), arrays))(
                arrays
            )

    def close(self, value, expected, what, slope=False):
        rtol = 2e-4 if slope else 2e-5
        np.testing.assert_allclose(
            value, expected, rtol=rtol, atol=rtol * np.abs(expected).max(initial=1e-30), err_msg=what
        )

    def peers_dtype(self, arrays):
        import keras

        if self.labels and arrays["y_pred"].dtype != np.float32:
            return None  # On JAX Keras answers in float32 to any, for it multiplies by a one-hot array, or casts.
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            return self._dtype(getattr(keras.losses, self.fn.__name__), arrays)

    def dtype(self, arrays):
        return self._dtype(self.fn, arrays)

    def _dtype(self, fn, arrays):
        needed = {name: self.given()[name] for name in self.needed}
        return jax.eval_shape(lambda *arrays: fn(*arrays, **needed), *self.ordered(arrays)).dtype.name

    def refusals(self, reduction):
        return {self.form.__name__: lambda: self.form(reduction=reduction)}

    def pairs(self):
        import keras

        return [(public, getattr(keras.losses, public.__name__)) for public in (self.fn, self.form)]

    def left_out(self, arrays, where):
        if self.options.get("remove_diagonal") is False:
            return []  # each is compared with all others, masked or not: no mask is taken
        ways = [(arrays, {"mask": where})]
        if "ignore_class" in self.options:
            labels = arrays["y_true"]
            kept = np.reshape(where, (-1, *(1,) * (labels.ndim - 1)))
            ways.append(({**arrays, "y_true": np.where(kept, labels, self.options["ignore_class"])}, {}))
        return ways

    def copies(self, form):
        return [
            self.make(reduction=form.reduction),
            pickle.loads(pickle.dumps(form)),
            copy.deepcopy(form),
            type(form).from_config(json.loads(json.dumps(form.get_config()))),
            ours.deserialize(json.loads(json.dumps(ours.serialize(form)))),
            jax.tree.map(lambda leaf: leaf, form),
        ]


# ---------------------------------------------------------------------------------------------------------- domains


def unit(rng, shape, sizes):
    """Vectors of length 1, which Keras takes embeddings for."""
    x = cases.normal(rng, shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def whole(rng, shape, sizes):
    return cases.counts(rng, shape).astype(np.int32)


def padded(rng, shape, sizes):
    """Labels of sequences: 0 is the blank, and pads."""
    return rng.integers(0, sizes["c"] - 1, shape).astype(np.int32)


NUMBERS = {"y_true": REALS.over("...c"), "y_pred": REALS.over("...c")}
CLIPPED = Domain(cases.probability, "...c")
"""Probabilities, which Keras clips: any number is one."""
DISTRIBUTED = replace(CLIPPED, draw=cases.distribution)
BINARY = BITS.over("...c")
SOFT = cases.SOFT_BITS.over("...c")
TARGETS = replace(cases.MASSES, tolerated=True)
HOT = replace(TARGETS, draw=cases.one_hot)
ODDS = LOG_ODDS.over("...c")
OPPOSITE = cases.SIGNS.over("...c")
OPPOSITE = replace(OPPOSITE, outside=(0.5, -2.0))
EITHER = replace(OPPOSITE, draw=lambda rng, shape, sizes: rng.integers(0, 2, shape).astype(np.int32), outside=(2, -7))
"""Labels of a hinge loss that are 0 or 1. Integers: Keras takes a slope in them through their conversion."""
VECTORS = replace(NUMBERS["y_true"], outside=(np.inf,))
UNCLIPPED = replace(DISTRIBUTED, outside=(-0.1, 1.2), tolerated=True)
"""Probabilities of which only that of the label is used."""

BAD_LOGITS = {"from_logits": ("yes", 2)}
BAD_SMOOTHING = {"label_smoothing": (1.5, -0.1, "a little")}
BAD_AXIS = {"axis": (3, "classes", 0.5)}
BAD_FOCUS = {"alpha": ("a quarter", np.ones(2, np.float32)), "gamma": (-1.0, "strong")}
BAD_IGNORED = {"ignore_class": (0.5, "pad")}
BALANCED = {"apply_class_balancing": True, "alpha": 0.3, "gamma": 1.5}
ALPHAS = [0.1, 0.2, 0.3, 0.4, 0.5]


def binary(*row, **more):
    return KerasRow(ours.binary_crossentropy, ours.BinaryCrossentropy, *row, **more)


def binary_focal(*row, **more):
    return KerasRow(ours.binary_focal_crossentropy, ours.BinaryFocalCrossentropy, *row, **more)


def categorical(*row, **more):
    return KerasRow(ours.categorical_crossentropy, ours.CategoricalCrossentropy, *row, **more)


def focal(*row, **more):
    return KerasRow(ours.categorical_focal_crossentropy, ours.CategoricalFocalCrossentropy, *row, **more)


def sparse(*row, **more):
    return KerasRow(ours.sparse_categorical_crossentropy, ours.SparseCategoricalCrossentropy, *row, **more)


PIXELS = replace(BITS, draw=EITHER.draw, outside=(2, -1))
"""Integers: the slope in labels is that of soft ones, which is not Keras'."""
GROUPS = {"y_true": replace(LABELS, outside=()), "y_pred": Domain(unit, "...c")}
BAD_CIRCLE = {"gamma": (-1.0, "much", np.ones(2)), "margin": (1.5, -0.1, "wide"), "remove_diagonal": ("yes", 2)}


def circle(options, bad=BAD_CIRCLE):
    return KerasRow(ours.circle, ours.Circle, GROUPS, options, bad, batch=(6,), single=False)


REGIONS = {"y_true": PIXELS.over("...fc"), "y_pred": PROBABILITIES.over("...fc")}
BATCHES = {"y_true": replace(PIXELS, outside=()).over("...c"), "y_pred": CLIPPED}
"""Whole ones are one region, which one value outside the domain makes nan."""
BAD_AXES = {"axis": (3, "classes", 0.5, (0, 0))}


def regions(function, form, **options):
    """Of each sample, and of the whole batch."""
    bad = {name: (-0.1, "some", np.ones(2)) for name in options}
    return [
        KerasRow(function, form, BATCHES, options, single=False),
        KerasRow(function, form, REGIONS, {"axis": (1, 2), **options}, bad | BAD_AXES, batch=(4,), single=False),
    ]


ROWS = [
    KerasRow(ours.mean_squared_error, ours.MeanSquaredError, NUMBERS, thorough=True),
    KerasRow(ours.mean_absolute_error, ours.MeanAbsoluteError, NUMBERS),
    KerasRow(ours.huber, ours.Huber, NUMBERS, {"delta": 0.7}, {"delta": (0.0, -1.0, "wide", np.ones(2))}),
    KerasRow(ours.log_cosh, ours.LogCosh, NUMBERS),
    KerasRow(
        ours.poisson,
        ours.Poisson,
        {"y_true": replace(COUNTS, draw=whole, axes="...c", tolerated=True), "y_pred": RATES.over("...c")},
    ),
    KerasRow(ours.kl_divergence, ours.KLDivergence, {"y_true": DISTRIBUTED, "y_pred": DISTRIBUTED}),
    KerasRow(ours.mean_absolute_percentage_error, ours.MeanAbsolutePercentageError, NUMBERS),
    KerasRow(ours.mean_squared_logarithmic_error, ours.MeanSquaredLogarithmicError, NUMBERS),
    KerasRow(ours.cosine_similarity, ours.CosineSimilarity, {"y_true": VECTORS, "y_pred": VECTORS}),
    KerasRow(
        ours.cosine_similarity, ours.CosineSimilarity, {"y_true": VECTORS, "y_pred": VECTORS}, {"axis": -2}, BAD_AXIS
    ),
    KerasRow(ours.hinge, ours.Hinge, {"y_true": OPPOSITE, "y_pred": NUMBERS["y_pred"]}, name="signs"),
    KerasRow(ours.hinge, ours.Hinge, {"y_true": EITHER, "y_pred": NUMBERS["y_pred"]}),
    KerasRow(ours.squared_hinge, ours.SquaredHinge, {"y_true": EITHER, "y_pred": NUMBERS["y_pred"]}, name="bits"),
    KerasRow(ours.squared_hinge, ours.SquaredHinge, {"y_true": OPPOSITE, "y_pred": NUMBERS["y_pred"]}),
    KerasRow(ours.categorical_hinge, ours.CategoricalHinge, {"y_true": HOT, "y_pred": LOGITS}),
    KerasRow(ours.categorical_hinge, ours.CategoricalHinge, {"y_true": TARGETS, "y_pred": LOGITS}, name="soft"),
    KerasRow(
        ours.categorical_generalized_cross_entropy,
        ours.CategoricalGeneralizedCrossEntropy,
        {"y_true": LABELS, "y_pred": UNCLIPPED},
        {"q": 0.3},
        {"q": (0.0, -0.5, 1.5, "some", np.ones(2))},
        batch=(4,),
    ),
    circle({"remove_diagonal": False}),
    circle({"gamma": 8.0, "margin": 0.3}),
    circle(
        {"ref_labels": GROUPS["y_true"], "ref_embeddings": GROUPS["y_pred"], "remove_diagonal": False}
        | {"gamma": 8.0, "margin": 0.3},
        {"ref_labels": ("some", np.ones((2, 2))), "ref_embeddings": ("some", np.ones(3))},
    ),
    *regions(ours.dice, ours.Dice),
    *regions(ours.tversky, ours.Tversky, alpha=0.2, beta=0.7),
    binary({"y_true": BINARY, "y_pred": CLIPPED}),
    binary(
        {"y_true": SOFT, "y_pred": ODDS},
        {"from_logits": True, "label_smoothing": 0.1},
        BAD_LOGITS | BAD_SMOOTHING,
    ),
    binary({"y_true": BINARY, "y_pred": CLIPPED}, {"label_smoothing": 0.2, "axis": -2}, BAD_AXIS),
    binary_focal(
        {"y_true": BINARY, "y_pred": CLIPPED}, BALANCED, {"apply_class_balancing": ("yes", 2), **BAD_FOCUS, **BAD_AXIS}
    ),
    binary_focal(
        {"y_true": SOFT, "y_pred": CLIPPED}, {"label_smoothing": 0.2, "gamma": 3.0, "axis": -2}, BAD_SMOOTHING
    ),
    binary_focal({"y_true": BINARY, "y_pred": ODDS}, {"from_logits": True, **BALANCED}, BAD_LOGITS),
    categorical({"y_true": HOT, "y_pred": CLIPPED}, {"label_smoothing": 0.1}, BAD_SMOOTHING),
    categorical({"y_true": TARGETS, "y_pred": LOGITS}, {"from_logits": True}, BAD_LOGITS),
    categorical(
        {"y_true": second(TARGETS, "...cf"), "y_pred": second(LOGITS, "...cf")},
        {"from_logits": True, "axis": -2},
        BAD_AXIS,
        batch=(4,),
    ),
    focal({"y_true": HOT, "y_pred": CLIPPED}, {"label_smoothing": 0.1}, BAD_SMOOTHING | BAD_FOCUS),
    focal({"y_true": HOT, "y_pred": LOGITS}, {"from_logits": True, "alpha": ALPHAS, "gamma": 3.0}, BAD_LOGITS),
    focal(
        {"y_true": second(TARGETS, "...cf"), "y_pred": second(DISTRIBUTED, "...cf")},
        {"axis": -2},
        BAD_AXIS,
        batch=(4,),
    ),
    sparse({"y_true": LABELS, "y_pred": CLIPPED}),
    sparse(
        {"y_true": ignoring(0.3, 255).over("...f"), "y_pred": second(LOGITS, "...cf")},
        {"from_logits": True, "ignore_class": 255, "axis": -2},
        BAD_AXIS,
        batch=(4,),
    ),
    sparse({"y_true": LABELS, "y_pred": LOGITS}, {"from_logits": True}, BAD_LOGITS),
    sparse({"y_true": LABELS, "y_pred": LOGITS}, {"from_logits": True, "label_smoothing": 0.1}, BAD_SMOOTHING),
    sparse({"y_true": LABELS, "y_pred": CLIPPED}, {"label_smoothing": 0.2}, BAD_SMOOTHING),
    sparse({"y_true": LABELS, "y_pred": CLIPPED}, {"ignore_class": 2}, BAD_IGNORED, thorough=True),
    KerasRow(
        ours.ctc,
        ours.CTC,
        {
            "y_true": Domain(padded, "...s", outside=(99,), differentiable=False),
            "y_pred": Domain(cases.normal, "...fc"),
        },
        batch=(4,),
        sizes={"s": 3},
        single=False,
    ),
]
