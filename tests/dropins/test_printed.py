"""The numbers that Keras' documentation prints, here because they come out without Keras too."""

import numpy as np

import jaxloss.keras as ours
from tests.compiling import jit

LABELS, LOGITS = np.array([[0, 1], [0, 0]]), np.array([[-18.6, 0.51], [2.94, -12.8]])
FLAT = LABELS.ravel()
ONE_HOT, GUESSES = np.array([[0, 1, 0], [0, 0, 1]]), np.array([[0.05, 0.95, 0], [0.1, 0.8, 0.1]])
FROM = {"from_logits": True}


PRINTED = [
    (ours.BinaryCrossentropy(**FROM), FLAT, LOGITS.ravel(), None, 0.8654),
    (ours.BinaryCrossentropy(**FROM), LABELS, LOGITS, None, 0.8654),
    (ours.BinaryCrossentropy(**FROM), LABELS, LOGITS, [0.8, 0.2], 0.243),
    (ours.BinaryCrossentropy(**FROM, reduction="sum"), LABELS, LOGITS, None, 1.730),
    (ours.BinaryCrossentropy(**FROM, reduction=None), LABELS, LOGITS, None, [0.235, 1.496]),
    (ours.BinaryFocalCrossentropy(gamma=2, **FROM), FLAT, LOGITS.ravel(), None, 0.691),
    (ours.BinaryFocalCrossentropy(True, gamma=2, **FROM), FLAT, LOGITS.ravel(), None, 0.51),
    (ours.BinaryFocalCrossentropy(gamma=3, **FROM), LABELS, LOGITS, None, 0.647),
    (ours.BinaryFocalCrossentropy(True, gamma=3, **FROM), LABELS, LOGITS, None, 0.482),
    (ours.BinaryFocalCrossentropy(gamma=3, **FROM), LABELS, LOGITS, [0.8, 0.2], 0.133),
    (ours.BinaryFocalCrossentropy(True, gamma=3, **FROM), LABELS, LOGITS, [0.8, 0.2], 0.097),
    (ours.BinaryFocalCrossentropy(gamma=4, **FROM, reduction="sum"), LABELS, LOGITS, None, 1.222),
    (ours.BinaryFocalCrossentropy(True, gamma=4, **FROM, reduction="sum"), LABELS, LOGITS, None, 0.914),
    (ours.BinaryFocalCrossentropy(gamma=5, **FROM, reduction=None), LABELS, LOGITS, None, [0.0017, 1.1561]),
    (ours.BinaryFocalCrossentropy(True, gamma=5, **FROM, reduction=None), LABELS, LOGITS, None, [0.0004, 0.8670]),
    (ours.CategoricalCrossentropy(), ONE_HOT, GUESSES, None, 1.177),
    (ours.CategoricalCrossentropy(), ONE_HOT, GUESSES, [0.3, 0.7], 0.814),
    (ours.CategoricalCrossentropy(reduction="sum"), ONE_HOT, GUESSES, None, 2.354),
    (ours.CategoricalCrossentropy(reduction=None), ONE_HOT, GUESSES, None, [0.0513, 2.303]),
    (ours.CategoricalFocalCrossentropy(), ONE_HOT, GUESSES, None, 0.23315276),
    (ours.CategoricalFocalCrossentropy(), ONE_HOT, GUESSES, [0.3, 0.7], 0.1632),
    (ours.CategoricalFocalCrossentropy(reduction="sum"), ONE_HOT, GUESSES, None, 0.46631),
    (ours.CategoricalFocalCrossentropy(reduction=None), ONE_HOT, GUESSES, None, [3.2058331e-05, 4.6627346e-01]),
    (ours.SparseCategoricalCrossentropy(), [1, 2], GUESSES, None, 1.177),
    (ours.SparseCategoricalCrossentropy(), [1, 2], GUESSES, [0.3, 0.7], 0.814),
    (ours.SparseCategoricalCrossentropy(reduction="sum"), [1, 2], GUESSES, None, 2.354),
    (ours.SparseCategoricalCrossentropy(reduction=None), [1, 2], GUESSES, None, [0.0513, 2.303]),
    (ours.binary_crossentropy, LABELS, [[0.6, 0.4], [0.4, 0.6]], None, [0.916, 0.714]),
    (ours.binary_focal_crossentropy, LABELS, [[0.6, 0.4], [0.4, 0.6]], None, [0.330, 0.206]),
    (ours.categorical_crossentropy, ONE_HOT, GUESSES, None, [0.0513, 2.303]),
    (
        ours.categorical_focal_crossentropy,
        ONE_HOT,
        [[0.05, 0.9, 0.05], [0.1, 0.85, 0.05]],
        None,
        [2.63401289e-04, 6.75912094e-01],
    ),
    (ours.sparse_categorical_crossentropy, [1, 2], GUESSES, None, [0.0513, 2.303]),
    (ours.huber, LABELS, [[0.6, 0.4], [0.4, 0.6]], None, [0.18, 0.13]),  # printed: their mean, 0.155
    (
        ours.log_cosh,
        [[0.0, 1.0], [0.0, 0.0]],
        [[1.0, 1.0], [0.0, 0.0]],
        None,
        [0.2168904, 0.0],
    ),  # 0.108
]


def test_the_numbers_that_keras_documentation_prints_come_out():
    arrays = [
        [np.asarray(t), np.asarray(p, np.float32), *([] if w is None else [np.asarray(w)])] for _, t, p, w, _ in PRINTED
    ]
    values = jit(lambda arrays: [row[0](*given) for row, given in zip(PRINTED, arrays, strict=True)])(arrays)
    for (loss, *_, printed), value in zip(PRINTED, values, strict=True):
        digits = [len(str(x).split("e")[0].partition(".")[2]) for x in np.ravel(printed)]
        # The documentation cuts digits off as often as it rounds.
        powers = [int(str(x).partition("e")[2] or 0) for x in np.ravel(printed)]
        units = np.maximum(10.0 ** (np.array(powers) - np.array(digits)), 1e-6 * np.abs(printed))
        assert np.all(np.abs(np.ravel(value) - np.ravel(printed)) <= units), (loss, value, printed)
