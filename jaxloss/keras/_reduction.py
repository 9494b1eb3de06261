"""The names of Keras' reductions."""

from __future__ import annotations

from typing import Literal, TypeAlias

from jaxloss._options import choice


class Reduction:
    """The names of the reductions as `tf.keras.losses.Reduction` spells them."""

    AUTO = "auto"
    NONE = "none"
    SUM = "sum"
    SUM_OVER_BATCH_SIZE = "sum_over_batch_size"

    @classmethod
    def all(cls) -> tuple[str, ...]:
        """The four names."""
        return cls.AUTO, cls.NONE, cls.SUM, cls.SUM_OVER_BATCH_SIZE

    @classmethod
    def validate(cls, key: str) -> None:
        """Raises a ValueError for any other name."""
        choice("Reduction", "key", key, cls.all())


ReductionName: TypeAlias = (
    Literal["sum_over_batch_size", "mean", "auto", "mean_with_sample_weight", "sum", "none"] | None
)
# What Keras calls a reduction, and what `jaxloss.reduce` calls it.
REDUCTIONS: dict[str | None, str] = {
    "sum_over_batch_size": "sum_over_batch_size",
    "mean": "sum_over_batch_size",
    "auto": "sum_over_batch_size",
    "mean_with_sample_weight": "mean",
    "sum": "sum",
    "none": "none",
    None: "none",
}

__all__ = ["REDUCTIONS", "Reduction", "ReductionName"]
