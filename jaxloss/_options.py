"""The options of losses: one table of rules by name, and numeric options as arrays.

Functions check their options against the table when they are called, class forms when they are made.
"""

import math
from typing import Any, get_args

import jax.numpy as jnp

from jaxloss._arrays import real
from jaxloss._option_kinds import (
    Anything,
    Apart,
    Axis,
    AxisNames,
    Booleans,
    Choice,
    FloatingDtype,
    Function,
    Integer,
    Number,
    Rule,
)
from jaxloss._types import Array, Layout, Link, Mode, Ties
from jaxloss._vocabulary import WHOLE, Shards
from jaxloss.numerics import replicated

_SWITCH = Choice((False, True))
# An option has one meaning in all functions; where it differs, the key names the function too.
_RULES: dict[str, Rule] = {
    "absolute_percentage_error.epsilon": Number(low=0),
    "acc_policy": Choice(("accurate", "balanced", "compact", "auto")),
    "allow_retain_graph": _SWITCH,
    "alpha": Number(low=0),
    "apply_class_balancing": _SWITCH,
    "apply_sigmoid": _SWITCH,
    "apply_softmax": _SWITCH,
    "axis": Axis(),
    "axis_name": AxisNames(),
    "batch_chunk_size": Integer(low=1),
    "beta": Number(low=0),
    "batch_axis_name": AxisNames(),
    "binary_focal_crossentropy.alpha": Number(low=0, high=1),
    "blank": Integer(low=0),
    "blank_id": Integer(low=0),
    "chunk_size": Integer(low=1),
    "circle.margin": Number(low=0, high=1),
    "circle_loss.margin": Number(low=0, high=1),
    "class_mask": Booleans(),
    "class_weights": Number(per_class=True),
    "compute_dtype": FloatingDtype(),
    "cosine_embedding_loss.margin": Number(low=-1, high=1),
    "cosine_distance.epsilon": Number(low=0),
    "cosine_similarity.epsilon": Number(low=0),
    "delta": Number(low=0, open_low=True),
    "distance_function": Function(),
    "eps": Number(low=0),
    "expectile": Number(low=0, high=1),
    "fair": _SWITCH,
    "from_logits": _SWITCH,
    "full": _SWITCH,
    "gamma": Number(low=0),
    "gaussian_nll.beta": Number(low=0, high=1),
    "ignore_background": _SWITCH,
    "ignore_class": Integer(),
    "ignore_index": Integer(),
    "interval_score.alpha": Number(low=0, high=1, open_low=True),
    "kernel_layout": Choice(get_args(Layout)),
    "label_smoothing": Number(low=0, high=1),
    "link": Choice(get_args(Link)),
    "log_epsilon": Number(),
    "log_input": _SWITCH,
    "log_target": _SWITCH,
    "logit_cap": Number(low=0, open_low=True),
    "margin": Number(),
    "mode": Choice(get_args(Mode)),
    "multi_margin_loss.p": Choice((1, 2)),
    "norm_degree": Number(low=0, open_low=True),
    "poly_loss_cross_entropy.epsilon": Number(),
    "poisson_nll.full": Choice((False, True, "stirling", "exact")),
    "pos_weight": Number(low=0, open_low=True),
    "q": Number(low=0, high=1, open_low=True),
    "quantile": Number(low=0, high=1),
    "remove_diagonal": _SWITCH,
    "sigmoid_focal_loss.alpha": Number(low=0, high=1),
    "smooth": Number(low=0),
    "smooth_labels.alpha": Number(low=0, high=1),
    "sum_axis_name": AxisNames(),
    "swap": _SWITCH,
    "temperature": Number(low=0, open_low=True),
    "ties": Choice(get_args(Ties)),
    "triplet_margin_loss.margin": Number(low=0),
    "triplet_margin_loss.p": Number(low=0, open_low=True),
    "triplet_margin_with_distance_loss.margin": Number(low=0),
    "tweedie_deviance.power": Apart(low=0, high=1),
    "var": Number(low=0),
    "vocab_axis_name": AxisNames(),
    "weight": Number(),
    "weighted_interval_score.alpha": Number(low=0, high=1),
    "z_loss": Number(low=0),
    "zero_infinity": _SWITCH,
}


def rule_of(function: str, option: str) -> Rule:
    """The rule of an option of a function."""
    return _RULES.get(f"{function}.{option}") or _RULES.get(option) or Anything()


def option(name: str, argument: str, value: Any) -> Any:
    """The value of an option of a function, checked against the table."""
    return rule_of(name, argument).settled(name, argument, value)


def choice(name: str, argument: str, value: Any, allowed: tuple[Any, ...]) -> None:
    """Checks that the value is one of those that are allowed."""
    Choice(allowed).settled(name, argument, value)


def number(name: str, argument: str, value: Any, dtype: Any) -> Array:
    """A scalar option in the dtype of computation. Its range is checked where the value is known while tracing."""
    array = real(name, argument, value, kind="a number")
    if array.ndim:
        raise ValueError(f"{name}: {argument} must be a scalar, got shape {array.shape}: sweep it with jax.vmap.")
    option(name, argument, value)
    return array.astype(dtype)


def is_zero(value: Any) -> bool:
    """Whether a numeric option is the plain Python 0 that may skip the work it would multiply."""
    return isinstance(value, (int, float)) and value == 0


def per_class(
    name: str,
    argument: str,
    value: Any,
    shape: tuple[int, ...],
    axes: tuple[int, ...],
    dtype: Any,
    shards: Shards = WHOLE,
) -> Array:
    """One value for each class, along the class axes of `shape`; given for all shards, those of this one are taken.

    Of several class axes the values have the lengths, in the order in which they are named, or the product length.
    """
    table = class_table(name, argument, value, tuple(shape[a] for a in axes), dtype, shards)
    others = [i for i in range(len(shape)) if i not in axes]
    if len(axes) == 1:
        return jnp.expand_dims(table, others)
    array = table.reshape([shape[a] for a in axes])
    return jnp.expand_dims(jnp.transpose(array, sorted(range(len(axes)), key=lambda i: axes[i])), others)


def class_table(
    name: str, argument: str, value: Any, classes: tuple[int, ...], dtype: Any, shards: Shards = WHOLE
) -> Array:
    """One value for each class, as a vector that class indices index."""
    given = real(name, argument, value, kind="an array of one value for each class")
    array = shards.values(given, math.prod(classes))
    if array.shape not in (classes, (math.prod(classes),)):
        raise ValueError(f"{name}: {argument} must have one value for each class, shape {classes}, got {array.shape}.")
    if array.ndim > 1:
        array = replicated(array, tuple(range(array.ndim)))
    return array.astype(dtype).reshape(-1)


__all__ = ["choice", "class_table", "is_zero", "number", "option", "per_class", "rule_of"]
