"""The last layer inside the loss as a row like any other; its costs and modes are in tests/fused."""

from dataclasses import replace

import jax.numpy as jnp
import mpmath as mp
import numpy as np

import jaxloss
from tests import cases
from tests.cases import CLASS_MASK, CLASS_WEIGHTS, CLASSES, LABELS, REAL_LABELS, REALS, Case
from tests.losses.classification.test_cross_entropy import dense, one_hot
from tests.losses.classification.test_cross_entropy import formula as of_logits


def _capped(m, z, cap):
    return z if cap is None else cap * m.tanh(z / cap)


def _layer(kernel, kernel_layout):
    return kernel if kernel_layout == "dv" else [list(row) for row in zip(*kernel, strict=True)]


def oracle(h, t, kernel, bias, kernel_layout="dv", logit_cap=None, class_mask=None, **options):
    kernel = _layer(kernel, kernel_layout)
    z = [mp.fsum(a * row[k] for a, row in zip(h, kernel, strict=True)) + b for k, b in enumerate(bias)]
    live = [_capped(mp, v, logit_cap) for k, v in enumerate(z) if class_mask is None or class_mask[k]]
    return dense(live, one_hot(t, len(live)), **{k: v for k, v in options.items() if k not in HOW})


def formula(h, t, kernel, bias, kernel_layout="dv", logit_cap=None, class_mask=None, **options):
    z = _capped(jnp, h @ (kernel if kernel_layout == "dv" else kernel.T) + bias, logit_cap)
    z = z if class_mask is None else z[:, np.asarray(class_mask)]
    return of_logits(z, t, **{k: v for k, v in options.items() if k not in HOW})


HOW = "mode", "chunk_size", "ignore_index", "compute_dtype"


BAD = {
    **cases.BAD_SMOOTHING,
    **cases.BAD_WEIGHTS,
    **cases.BAD_Z_LOSS,
    **cases.BAD_IGNORE,
    **cases.BAD_VOCABULARY,
    "kernel_layout": ("vv", 1, None),
    "logit_cap": (0.0, -1.0, "soft", np.ones(2, np.float32)),
    "class_mask": (np.ones(CLASSES + 1, bool), np.ones(CLASSES, np.float32), "padded"),
    "compute_dtype": ("int8", "narrow", 3),
    "mode": ("slow", None),
    "chunk_size": (0, -8, 0.5, "some"),
}
# Infinite features or weights are logits of infinity less infinity.
# Without extremes: a product with the kernel is a logit, which overflows.
FEATURES = replace(REALS, hard=None, ends=(0.0, 1e-30), alone=(), extremes=())
LAYER = {"kernel": FEATURES.over("dc"), "bias": FEATURES.over("c")}
TIED = {"kernel": FEATURES.over("cd"), "bias": FEATURES.over("c")}
ALL = {
    "label_smoothing": 0.1,
    "class_weights": CLASS_WEIGHTS,
    "z_loss": 0.01,
    "logit_cap": 4.0,
    "ignore_index": -100,
}


def _case(layer, name, labels=LABELS, least_classes=1, **options):
    return Case(
        fn=jaxloss.linear_softmax_cross_entropy,
        form=jaxloss.LinearSoftmaxCrossEntropy,
        arrays={"hidden": FEATURES.over("...d"), "labels": labels, **layer},
        oracle=oracle,
        formula=formula,
        options=options,
        bad_options=BAD,
        call={"reduction": "none"},
        least_classes=least_classes,
        name=f"linear_softmax_cross_entropy[{name}]",
    )


CASES = [
    _case(LAYER, "plain"),
    _case(TIED, "tied", kernel_layout="vd", mode="dense", label_smoothing=0.1),
    # Of a single class the mask leaves none.
    _case(LAYER, "masked", REAL_LABELS, 2, class_mask=CLASS_MASK, compute_dtype="float32", mode="fast", logit_cap=4.0),
    _case(LAYER, "all", **ALL, mode="low_memory", chunk_size=2),
    # The last of those with the most options is the one that `make test` takes: what is not reduced, the fast mode
    # computes as low memory does, so that it asks for both. A chunk of 3 divides neither the tokens nor the classes.
    _case(LAYER, "fast", **ALL, mode="fast", chunk_size=3),
]
