"""The last layer that the tests of its loss share, and the modes that they ask."""

import numpy as np

from tests import cases

MODES = ["dense", "fast", "low_memory"]
CHUNKED = MODES[1:]  # dense is what fast does with its only chunk
# The sweeps ask the rows of tests/losses/test_linear.py for one value per token, which fast takes as low memory does.
# What they cannot see of the fast mode is asked here; with --every all modes are.
ASKED = MODES if cases.EVERY else ["fast"]

WIDTH, CLASSES = 6, 53  # a prime, in chunks of 8 of which the last overlaps
TOKENS = 5, 7


def normal(rng, *shape, scale=1.0):
    return rng.normal(0, scale, shape).astype(np.float32)


def inputs(tokens, layout="dv", classes=CLASSES):
    """Hidden states, a kernel, a bias and labels, some of them to be ignored; the same at every call."""
    rng = np.random.default_rng(1)
    kernel = normal(rng, WIDTH, classes, scale=0.5)
    labels = rng.integers(0, classes, tokens).astype(np.int32)
    labels.reshape(-1)[::5] = -100
    hidden, bias = normal(rng, *tokens, WIDTH), normal(rng, classes)
    return hidden, kernel if layout == "dv" else np.ascontiguousarray(kernel.T), bias, labels


def size(mode):
    """The chunk, which divides neither the tokens nor the classes."""
    return None if mode == "dense" else 8


def _weights():
    rng = np.random.default_rng(0)
    of_classes, of_tokens = rng.uniform(0.5, 2, CLASSES), rng.uniform(0.2, 3, TOKENS)
    return np.float32(of_classes), {"weights": np.float32(of_tokens), "where": rng.random(TOKENS) < 0.7}


CLASS_WEIGHTS, OF_TOKENS = _weights()
SOME = {"ignore_index": -100, "label_smoothing": 0.1, "z_loss": 1e-2, "logit_cap": 4.0}
ALL = {**SOME, "class_weights": CLASS_WEIGHTS, **OF_TOKENS}
