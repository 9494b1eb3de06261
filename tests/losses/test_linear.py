"""The last layer inside the loss as a row like any other; its costs and modes are in tests/fused."""

import jax.numpy as jnp
import mpmath as mp
import numpy as np

import jaxloss
from tests import cases
from tests.cases import CLASS_WEIGHTS, LABELS, REALS, Case
from tests.losses.test_cross_entropy import dense, one_hot
from tests.losses.test_cross_entropy import formula as of_logits


def _capped(m, z, cap):
    return z if cap is None else cap * m.tanh(z / cap)


def _layer(kernel, kernel_layout):
    return kernel if kernel_layout == "dv" else [list(row) for row in zip(*kernel, strict=True)]


def oracle(h, t, kernel, bias, kernel_layout="dv", logit_cap=None, ignore_index=None, mode="", chunk_size=0, **options):
    kernel = _layer(kernel, kernel_layout)
    z = [mp.fsum(a * row[k] for a, row in zip(h, kernel, strict=True)) + b for k, b in enumerate(bias)]
    return dense([_capped(mp, v, logit_cap) for v in z], one_hot(t, len(z)), **options)


def formula(h, t, kernel, bias, kernel_layout="dv", logit_cap=None, mode="", chunk_size=0, **options):
    z = h @ (kernel if kernel_layout == "dv" else kernel.T) + bias
    return of_logits(_capped(jnp, z, logit_cap), t, **options)


BAD = {
    **cases.BAD_SMOOTHING,
    **cases.BAD_WEIGHTS,
    **cases.BAD_Z_LOSS,
    **cases.BAD_IGNORE,
    **cases.BAD_VOCABULARY,
    "kernel_layout": ("vv", 1, None),
    "logit_cap": (0.0, -1.0, "soft", np.ones(2, np.float32)),
    "compute_dtype": ("int8", "narrow", 3),
    "mode": ("slow", None),
    "chunk_size": (0, -8, 0.5, "some"),
}
LAYER = {"kernel": REALS.over("dc"), "bias": REALS.over("c")}
TIED = {"kernel": REALS.over("cd"), "bias": REALS.over("c")}
ALL = {
    "label_smoothing": 0.1,
    "class_weights": CLASS_WEIGHTS,
    "z_loss": 0.01,
    "logit_cap": 4.0,
    "ignore_index": -100,
}


def _case(layer, name, **options):
    return Case(
        fn=jaxloss.linear_softmax_cross_entropy,
        form=jaxloss.LinearSoftmaxCrossEntropy,
        arrays={"hidden": REALS.over("...d"), "labels": LABELS, **layer},
        oracle=oracle,
        formula=formula,
        options=options,
        bad_options=BAD,
        call={"reduction": "none"},
        name=f"linear_softmax_cross_entropy[{name}]",
    )


CASES = [
    _case(LAYER, "plain"),
    _case(TIED, "tied", kernel_layout="vd", mode="dense", label_smoothing=0.1),
    _case(LAYER, "fast", **ALL, mode="fast", chunk_size=3),
    _case(LAYER, "all", **ALL, mode="low_memory", chunk_size=2),
]
