"""The types of public signatures."""

from typing import Literal, TypeAlias, TypeVar

from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Int, Num

from jaxloss.numerics import Axes, AxisName

Scalar: TypeAlias = ArrayLike
"""A numeric option: a Python number, or a traced or concrete array that can be differentiated and swept with vmap."""

Floats: TypeAlias = Float[ArrayLike, "..."]
"""Predictions: bfloat16 and float16 are computed and returned in float32."""

Numbers: TypeAlias = Num[ArrayLike, "..."] | Bool[ArrayLike, "..."]
"""Targets and weights of any real dtype."""

Labels: TypeAlias = Int[ArrayLike, "..."]
"""Class indices."""

Mask: TypeAlias = Bool[ArrayLike, "..."]
"""True where an element counts."""

Reduction: TypeAlias = Literal["none", "sum", "mean", "sum_over_batch_size"]
"""How losses become one number; see `jaxloss.reduce`."""

Constant: TypeAlias = bool | Literal["stirling", "exact"]
"""Which constant of a Poisson law's likelihood is added."""

Layout: TypeAlias = Literal["dv", "vd"]
"""Which axis of a kernel the features are on, and which the classes."""

Link: TypeAlias = Literal["logit", "probit", "cloglog"]
"""The law whose distribution function gives the probabilities of classes with an order."""

Mode: TypeAlias = Literal["auto", "fast", "low_memory", "dense"]
"""How a fused loss is computed."""

Ties: TypeAlias = Literal["efron", "breslow"]
"""How Cox's partial likelihood counts events of one time."""

Own = TypeVar("Own")
"""The class that a method is of; `Self` is an error to beartype where it decorates methods one by one."""

__all__ = [
    "Array",
    "ArrayLike",
    "Axes",
    "AxisName",
    "Constant",
    "Floats",
    "Labels",
    "Layout",
    "Link",
    "Mask",
    "Mode",
    "Numbers",
    "Own",
    "Reduction",
    "Scalar",
    "Ties",
]
