"""The base of the class forms: a loss function with its options and its reduction, as one frozen, hashable pytree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxloss import _signatures, _value
from jaxloss._arrays import wide
from jaxloss._masks import left
from jaxloss._reduce import check_reduction, reduced, totalled
from jaxloss._rows import Rows, unreduced, with_counting
from jaxloss._signatures import REDUCTION, answered, arrays_taken, document, needs_targets, option_names
from jaxloss._types import Array, AxisName, Floats, Mask, Numbers, Own, Reduction


@dataclass(frozen=True, kw_only=True)
class Loss(_value.Value):
    """A loss with its reduction: called with predictions and targets, it returns a scalar.

    A class form names a function and its options; your own loss is a subclass with `fn`, or with a method
    `losses(predictions, targets)` that returns one value per element (and may take `where`):

    >>> import jax.numpy as jnp
    >>> @dataclass(frozen=True, kw_only=True)
    ... class CubicError(Loss):
    ...     scale: float = 1.0
    ...     def losses(self, predictions, targets):
    ...         return self.scale * jnp.abs(predictions - targets) ** 3
    >>> float(CubicError(scale=0.5)(jnp.array([1.0, 2.0]), jnp.array([0.0, 0.0])))
    2.25

    Instances are immutable, equal when their fields are, and hashable: as static arguments of `jax.jit`, equal ones
    cause one trace. They are pytrees too: a field whose annotation names a float or an array is a leaf, to be traced,
    differentiated or swept with `vmap`; every other field is structure. Losses add and scale:
    `0.7 * HuberLoss() + 0.3 * LogCosh()` is a loss.

    Args:
        reduction: `"mean"`, `"sum"`, `"sum_over_batch_size"` or `"none"`; the table of `reduce` defines them.
        axis_name: Mesh axes over which numerator and denominator are summed, so that the mean is global.
    """

    fn: ClassVar[Callable[..., Array]]
    # Without this NumPy would make an array of objects of a NumPy number times a loss.
    __array_ufunc__: ClassVar[None] = None

    reduction: Reduction = "mean"
    axis_name: AxisName = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        document(cls)

    def __new__(cls: type[Own], *args: Any, **options: Any) -> Own:
        """A new instance. Wrong arguments are answered here, before the generated constructor sees them."""
        message = _signatures.refused_options(cls, args, options)
        if message:
            raise TypeError(message)
        return object.__new__(cls)

    def __post_init__(self) -> None:
        _value.settle(self)
        check_reduction(type(self).__name__, self.reduction)

    @answered
    def __call__(
        self,
        predictions: Floats,
        targets: Numbers | None = None,
        /,
        *,
        weights: Numbers | None = None,
        where: Mask | None = None,
        **arrays: Any,
    ) -> Array:
        """The reduced loss.

        Args:
            predictions: The output of the model.
            targets: The values that it should have had.
            weights: Weights of the losses; a shape `[batch]` weighs samples, by the rules of `reduce`.
            where: True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.
            **arrays: Further arrays of the loss function, by name.

        Returns:
            A scalar; with `reduction="none"` one value per loss.
        """
        rows = self._rows(predictions, targets, where, arrays)
        return reduced(self._name, rows.losses, weights, rows.counting, self.reduction, None, self.axis_name)

    @answered
    def total(
        self,
        predictions: Floats,
        targets: Numbers | None = None,
        /,
        *,
        weights: Numbers | None = None,
        where: Mask | None = None,
        **arrays: Any,
    ) -> tuple[Array, Array]:
        """The pair (numerator, denominator) of the mean, to be summed over micro-batches; see `total`."""
        rows = self._rows(predictions, targets, where, arrays)
        return totalled(self._name, rows.losses, weights, rows.counting, self.reduction, None, self.axis_name)

    if TYPE_CHECKING:  # a loss of a user's own may take any arrays

        def losses(self, *arrays: Any, **named: Any) -> Array: ...
    else:

        @answered
        def losses(self, predictions: Any, targets: Any, /, **arrays: Any) -> Array:
            """One value per element or row, not reduced."""
            self._check_call(targets)
            return unreduced(type(self).fn)(predictions, targets, **self._options(), **arrays)

    def __add__(self, other: Any) -> LossSum:
        if not isinstance(other, Loss):
            return NotImplemented
        (a, x), (b, y) = _terms(self), _terms(other)
        return LossSum(terms=a + b, coefficients=x + y)

    def __mul__(self, factor: Any) -> LossSum:
        if not _is_factor(factor):
            return NotImplemented
        terms, coefficients = _terms(self)
        return LossSum(terms=terms, coefficients=tuple(factor * c for c in coefficients))

    __rmul__ = __mul__

    def __truediv__(self, divisor: Any) -> LossSum:
        return self * (1 / divisor) if _is_factor(divisor) else NotImplemented

    def __neg__(self) -> LossSum:
        return self * -1.0

    def __pos__(self) -> Loss:
        return self

    def __sub__(self, other: Any) -> LossSum:
        return self + -other if isinstance(other, Loss) else NotImplemented

    def __radd__(self, other: Any) -> Loss:
        # sum(losses) starts from 0.
        return self if isinstance(other, int) and other == 0 else NotImplemented

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in option_names(type(self))}

    def _check_call(self, targets: Any) -> None:
        if not hasattr(type(self), "fn"):
            raise TypeError(
                f"{self._name}: there is no loss to compute: take a form such as jaxloss.HuberLoss, or give your "
                "subclass fn = staticmethod(function) or a method losses(predictions, targets)."
            )
        if targets is None and needs_targets(type(self).fn):
            raise TypeError(f"{self._name}: the targets are missing: call it with predictions and targets.")

    def _rows(self, predictions: Any, targets: Any, where: Any, arrays: dict[str, Any]) -> Rows[Array]:
        """The losses with a mask of those that count."""
        cls, own_method = type(self), type(self).losses is not Loss.losses
        taken = arrays_taken(cls, own_method)
        if taken is not None and not arrays.keys() <= set(taken):
            raise TypeError(_signatures.refused_keywords(cls, arrays))
        masks = {"where": where} if where is not None and (taken is None or "where" in taken) else {}
        function = with_counting(getattr(cls, "fn", None))
        if function is None or own_method:
            losses = self.losses(predictions, targets, **arrays, **masks)
            if function is None:
                return Rows(losses, left(self._name, where, losses.ndim, np.shape(predictions)))
            # A subclass that changes the losses does not change which rows count. By default all do.
            if where is None and not set(_value.changed(self)) - set(REDUCTION):
                return Rows(losses, None)
            return Rows(losses, function(predictions, targets, **self._options(), where=where).counting)
        self._check_call(targets)
        return function(predictions, targets, **self._options(), **arrays, **masks)


@dataclass(frozen=True, kw_only=True)
class LossSum(Loss):
    """A weighted sum of losses, each reduced by its own reduction; `a + b`, `-a` and `0.5 * a` make it.

    Weights, masks and further arrays are passed to every term. An empty sum is 0, so that `sum(losses, LossSum())` is
    a loss for any list.

    Args:
        terms: The losses.
        coefficients: Their factors; leaves of the pytree, so that they can be learned or swept.
    """

    terms: tuple[Loss, ...] = ()
    coefficients: tuple[float | jax.Array, ...] = ()
    reduction: Reduction = field(default="mean", init=False, repr=False)
    axis_name: AxisName = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        _value.settle(self)
        terms: Any = self.terms
        if len(terms) != len(self.coefficients) or not all(isinstance(term, Loss) for term in terms):
            raise ValueError("LossSum: terms must be losses, with one coefficient each.")

    @answered
    def __call__(
        self,
        predictions: Floats,
        targets: Numbers | None = None,
        /,
        *,
        weights: Numbers | None = None,
        where: Mask | None = None,
        **arrays: Any,
    ) -> Array:
        """The sum of the reduced terms, each times its coefficient."""
        values = [t(predictions, targets, weights=weights, where=where, **arrays) for t in self.terms]
        products = [jnp.asarray(c, v.dtype) * v for c, v in zip(self.coefficients, values, strict=True)]
        return sum(products[1:], products[0]) if products else jnp.zeros((), wide(jnp.asarray(predictions).dtype))

    def total(self, *args: Any, **kwargs: Any) -> tuple[Array, Array]:
        """Not defined: the terms of a sum may be reduced differently.

        Raises:
            TypeError: Always; take the totals of the terms.
        """
        raise TypeError("LossSum: a sum of losses has no one denominator: take the total of each of its terms.")

    def losses(self, *arrays: Any, **named: Any) -> Array:
        """Not defined: the terms of a sum may have losses of different shapes."""
        raise TypeError("LossSum: the terms of a sum are reduced one by one: take the losses of each of its terms.")


def _is_factor(x: Any) -> bool:
    """Whether it is a number, traced or not, by which a loss can be multiplied."""
    return isinstance(x, (int, float, np.number, np.ndarray, jax.Array)) and np.ndim(x) == 0


def _terms(loss: Loss) -> tuple[tuple[Loss, ...], tuple[Any, ...]]:
    return (loss.terms, loss.coefficients) if isinstance(loss, LossSum) else ((loss,), (1.0,))


__all__ = ["Loss", "LossSum"]
