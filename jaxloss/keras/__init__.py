"""Keras' losses by their names, for JAX alone: `import jaxloss.keras as losses` in place of `from keras import losses`.

Functions and classes have Keras' argument order, `(y_true, y_pred)`, its defaults, its means over the last axis and its
clipping of probabilities to 1e-7; the mathematics are the native losses'. Keras need not be installed. Where it is, our
losses are Keras' own too, so that `Model.compile(loss=...)` takes them with sample weights, class weights and masks,
and `load_model` finds them: from the import on, if Keras was imported before, else from the first loss on that is made
after `import keras`. A loss of your own is registered as in Keras, with `register_keras_serializable`. Instances are
equal by value, hash alike and are static in pytrees, so equal ones cause one trace; like Keras' they can be changed,
but do not change one that has been hashed.

Where Keras 3.15 is wrong, these are right:

- Integer labels are never cast to the dtype of the loss: label 257 stays 257 under `dtype="bfloat16"`.
- A weight of shape `[batch]` weighs samples, also where the losses are `[batch, batch]`; one that fits neither the
  samples nor the losses is a `ValueError`.
- `"mean_with_sample_weight"` divides by the sum of the weights as they were broadcast to the losses.
- Focal losses of logits have a gradient for confidently wrong predictions, and keep their value beyond logits of 15.9.
- A masked element is not read: nan there changes neither the value nor the gradient.
- `from_logits=True` with a logit of minus infinity that no label needs is finite.
- Labels out of range, and binary labels outside [0, 1], have loss nan instead of a plausible one.
- `axis` and `label_smoothing` work together. Sparse losses take any `axis`, and `label_smoothing` as in Keras 3.16.
- Categorical losses and the cosine similarity take targets and predictions of one shape only; they do not broadcast.
- CTC is never negative, and infinite with gradient 0 where there is no alignment.
- Targets and predictions of shapes `[batch]` and `[batch, 1]` are taken as one shape by every function that takes
  elements, not only by classes; single numbers are taken too, so that `jax.vmap` works over anything.
- `log_cosh` of small errors is not 0, and `mean_squared_logarithmic_error` of numbers that nearly agree is not.
- Hinge losses take a label of 0 for -1 wherever it stands; Keras does if every label of the batch is 0 or 1. A label
  that is none of 0, 1 and -1 has loss nan.
- `cosine_similarity` has a finite slope at a vector of zeros.
- `categorical_generalized_cross_entropy` takes labels of shape `[batch, 1]`, has a finite slope at a probability of 0,
  and takes a q of 1.
- `Dice` and `Tversky` have loss 0 where a region is neither labelled nor predicted, and where soft labels are predicted
  exactly; a region with a label or a probability outside [0, 1] has loss nan. Masked elements are no part of a region,
  and a loss of the whole batch takes no weights of samples.
- `Tversky` weighs false positives with `alpha` and false negatives with `beta`, as Keras documents it and has it since
  3.16.
- `Circle` scales embeddings to length 1, and its mean is over those that have a positive and a negative; Keras' is over
  the losses above 0. Masked embeddings are compared with none. References that are not the batch itself, and a batch
  whose embeddings are positives of themselves, which takes no mask, want `remove_diagonal=False`.
- Configurations hold every option: `Huber`'s delta, the `axis` of sparse losses and of the cosine similarity, and
  `dtype` survive a round trip.
"""

from jaxloss._answers import answer_in as _answer_in
from jaxloss.keras._installed import join_keras as _join_keras
from jaxloss.keras._loss import Loss
from jaxloss.keras._reduction import Reduction
from jaxloss.keras.binary import (
    BCE,
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    bce,
    binary_crossentropy,
    binary_focal_crossentropy,
)
from jaxloss.keras.classification import (
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    SparseCategoricalCrossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    sparse_categorical_crossentropy,
)
from jaxloss.keras.embedding import CosineSimilarity, cosine_similarity
from jaxloss.keras.generalized import CategoricalGeneralizedCrossEntropy, categorical_generalized_cross_entropy
from jaxloss.keras.groups import Circle, circle
from jaxloss.keras.hinges import CategoricalHinge, Hinge, SquaredHinge, categorical_hinge, hinge, squared_hinge
from jaxloss.keras.regression import (
    KLD,
    MAE,
    MSE,
    Huber,
    KLDivergence,
    LogCosh,
    MeanAbsoluteError,
    MeanSquaredError,
    Poisson,
    huber,
    kl_divergence,
    kld,
    kullback_leibler_divergence,
    log_cosh,
    logcosh,
    mae,
    mean_absolute_error,
    mean_squared_error,
    mse,
    poisson,
)
from jaxloss.keras.relative import (
    MAPE,
    MSLE,
    MeanAbsolutePercentageError,
    MeanSquaredLogarithmicError,
    mape,
    mean_absolute_percentage_error,
    mean_squared_logarithmic_error,
    msle,
)
from jaxloss.keras.segmentation import Dice, Tversky, dice, tversky
from jaxloss.keras.sequence import CTC, ctc
from jaxloss.keras.serialization import deserialize, get, serialize

__all__ = [
    "BCE",
    "CTC",
    "KLD",
    "MAE",
    "MAPE",
    "MSE",
    "MSLE",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "Circle",
    "CosineSimilarity",
    "Dice",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "Reduction",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
    "bce",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "circle",
    "cosine_similarity",
    "ctc",
    "deserialize",
    "dice",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "kld",
    "kullback_leibler_divergence",
    "log_cosh",
    "logcosh",
    "mae",
    "mape",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "mse",
    "msle",
    "poisson",
    "serialize",
    "sparse_categorical_crossentropy",
    "squared_hinge",
    "tversky",
]


def __dir__() -> list[str]:
    return sorted(__all__)


_answer_in(__name__)
_join_keras(Loss)
