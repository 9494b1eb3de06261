"""Evaluates what JAX traces by NumPy, operation by operation: compiling is most of the time that a test takes.

Calls, `cond` and `scan` are followed; what has no rule here, such as a sort or a gather, JAX computes. A test that asks
by `interpreted` asks whether a program has the right operations; what is compiled of them, those by `jax.jit` ask.
"""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal


def interpreted(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function like `jax.jit(function)`, traced once for each structure, shape and type of its arguments."""
    programs = {}

    def run(*args: Any, **named: Any) -> Any:
        leaves, structure = jax.tree.flatten((args, named))
        kind = structure, tuple((np.shape(x), jnp.result_type(x)) for x in leaves), jax.config.jax_enable_x64
        if kind not in programs:
            closed, shapes = jax.make_jaxpr(function, return_shape=True)(*args, **named)
            programs[kind] = closed, jax.tree.structure(shapes)
        closed, returned = programs[kind]
        with np.errstate(all="ignore"):
            return jax.tree.unflatten(returned, map(_flushed, _evaluated(closed, map(_flushed, leaves))))

    return run


def _flushed(x: Any) -> np.ndarray:
    """Zeros for subnormal numbers, with which no compiled program computes."""
    x = np.asarray(x)
    if x.dtype.kind != "f":
        return x
    return np.where(np.abs(x) < np.finfo(x.dtype).tiny, np.copysign(x.dtype.type(0), x), x)


def _evaluated(program: Any, inputs: Iterable[Any]) -> list[np.ndarray]:
    """The outputs of a traced program, with its constants or without any."""
    jaxpr, constants = getattr(program, "jaxpr", program), getattr(program, "consts", ())
    values = {}

    def write(variables: Any, found: Any) -> None:
        for variable, value in zip(variables, found, strict=True):
            values[variable] = np.asarray(value, variable.aval.dtype)

    def read(atom: Any) -> np.ndarray:
        return np.asarray(atom.val, atom.aval.dtype) if isinstance(atom, Literal) else values[atom]

    write(jaxpr.constvars, constants)
    write(jaxpr.invars, inputs)
    for equation in jaxpr.eqns:
        write(equation.outvars, _outputs(equation, [read(atom) for atom in equation.invars]))
    return [read(atom) for atom in jaxpr.outvars]


def _outputs(equation: Any, inputs: list[np.ndarray]) -> list[Any]:
    name, params = equation.primitive.name, equation.params
    if name in FOLLOWED:
        return FOLLOWED[name](equation, inputs)
    if name in CALLS:
        return _evaluated(params[CALLS[name]], inputs)
    if not (name in OF_FLOATS and inputs[0].dtype.kind not in "fV"):
        if name in ELEMENTWISE:
            return [ELEMENTWISE[name](*inputs)]
        if name in RULES:
            return [RULES[name](*inputs, **params)]
    found = equation.primitive.get_bind_params(params)
    functions, params = found if isinstance(found, tuple) else ((), found)  # a pair in JAX before 0.12
    found = equation.primitive.bind(*functions, *map(jnp.asarray, inputs), **params)
    return found if equation.primitive.multiple_results else [found]


def _chosen(equation: Any, inputs: list[np.ndarray]) -> list[Any]:
    return _evaluated(equation.params["branches"][int(inputs[0])], inputs[1:])


def _scanned(equation: Any, inputs: list[np.ndarray]) -> list[Any]:
    """Constants and carry as they are, then what is sliced, which has an axis more than the body takes."""
    body, steps = equation.params["jaxpr"], range(equation.params["length"])
    stacked = [len(v.aval.shape) for v in equation.outvars], [len(v.aval.shape) for v in body.jaxpr.outvars]
    carried = sum(outer == inner for outer, inner in zip(*stacked, strict=True))
    whole = sum(x.ndim == len(v.aval.shape) for x, v in zip(inputs, body.jaxpr.invars, strict=True))
    constants, carry, sliced = inputs[: whole - carried], inputs[whole - carried : whole], inputs[whole:]
    rows = {}
    for i in reversed(steps) if equation.params["reverse"] else steps:
        out = _evaluated(body, [*constants, *carry, *(x[i] for x in sliced)])
        carry, rows[i] = out[:carried], out[carried:]
    empty = [np.zeros(v.aval.shape, v.aval.dtype) for v in equation.outvars[carried:]]
    return [*carry, *(map(np.stack, zip(*(rows[i] for i in steps), strict=True)) if steps else empty)]


def _broadcast(x: np.ndarray, *, shape, broadcast_dimensions, **_: Any) -> np.ndarray:
    places = np.ones(len(shape), int)
    places[list(broadcast_dimensions)] = x.shape
    return np.broadcast_to(x.reshape(places), shape)


def _counted(*, dtype, shape, dimension, **_: Any) -> np.ndarray:
    places = np.ones(len(shape), int)
    places[dimension] = -1
    return np.broadcast_to(np.arange(shape[dimension], dtype=dtype).reshape(places), shape)


def _converted(x: np.ndarray, *, new_dtype, **_: Any) -> np.ndarray:
    if x.dtype.kind == "f" and np.issubdtype(new_dtype, np.integer):  # XLA takes the nearest, and 0 for nan
        limits = np.iinfo(new_dtype)
        x = np.clip(np.nan_to_num(x.astype(np.float64)), limits.min, limits.max)
    return x.astype(new_dtype)


def _power(x: np.ndarray, *, y: int, **_: Any) -> np.ndarray:
    return np.power(x, x.dtype.type(y))


def _rounded(x: np.ndarray, *, mantissa_bits: int, **_: Any) -> np.ndarray:
    bits, drop = x.view(f"u{x.itemsize}"), np.finfo(x.dtype).nmant - mantissa_bits
    if drop <= 0:
        return x
    one = bits.dtype.type(1)
    last = (bits >> drop) & one
    bits = (bits + (one << drop - 1) - one + last) >> drop << drop
    return np.where(np.isfinite(x), bits.view(x.dtype), x)


def _ends(x: np.ndarray) -> tuple[Any, Any]:
    """The least and the largest of a type."""
    limits = np.iinfo(x.dtype) if x.dtype.kind in "iu" else None
    return (limits.min, limits.max) if limits else (-np.inf, np.inf)


def _sliced(x: np.ndarray, *, start_indices, limit_indices, strides, **_: Any) -> np.ndarray:
    strides = strides or (1,) * x.ndim
    return x[tuple(map(slice, start_indices, limit_indices, strides))]


CALLS = {"jit": "jaxpr", "pjit": "jaxpr", "remat2": "jaxpr"} | dict.fromkeys(
    ["closed_call", "custom_jvp_call", "custom_vjp_call", "eval_jaxpr"], "call_jaxpr"
)
FOLLOWED = {"cond": _chosen, "scan": _scanned}
OF_FLOATS = {"div", "integer_pow"}
ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "abs": np.abs,
    "add": np.add,
    "add_any": np.add,
    "and": np.bitwise_and,
    "clamp": lambda low, x, high: np.minimum(np.maximum(x, low), high),
    "div": np.divide,
    "eq": np.equal,
    "exp": np.exp,
    "expm1": np.expm1,
    "ge": np.greater_equal,
    "gt": np.greater,
    "is_finite": np.isfinite,
    "le": np.less_equal,
    "log": np.log,
    "log1p": np.log1p,
    "lt": np.less,
    "max": np.maximum,
    "min": np.minimum,
    "mul": np.multiply,
    "ne": np.not_equal,
    "neg": np.negative,
    "not": np.invert,
    "or": np.bitwise_or,
    "pow": np.power,
    "select_n": lambda which, *cases: np.choose(which.astype(np.intp), cases),
    "shift_right_arithmetic": np.right_shift,
    "sign": np.sign,
    "sqrt": np.sqrt,
    "square": np.square,
    "stop_gradient": np.asarray,
    "sub": np.subtract,
}
RULES: dict[str, Callable[..., Any]] = {
    "bitcast_convert_type": lambda x, *, new_dtype, **_: x.view(new_dtype),
    "broadcast_in_dim": _broadcast,
    "concatenate": lambda *arrays, dimension, **_: np.concatenate(arrays, dimension),
    "convert_element_type": _converted,
    "integer_pow": _power,
    "iota": _counted,
    "reduce_and": lambda x, *, axes, **_: np.bitwise_and.reduce(x, axes),
    "reduce_max": lambda x, *, axes, **_: np.max(x, axes, initial=_ends(x)[0]),
    "reduce_min": lambda x, *, axes, **_: np.min(x, axes, initial=_ends(x)[1]),
    "reduce_precision": _rounded,
    "reduce_or": lambda x, *, axes, **_: np.bitwise_or.reduce(x, axes),
    "reduce_sum": lambda x, *, axes, **_: np.sum(x, axes),
    "reshape": lambda x, *, new_sizes, **_: x.reshape(new_sizes),
    "rev": lambda x, *, dimensions, **_: np.flip(x, dimensions),
    "slice": _sliced,
    "squeeze": lambda x, *, dimensions, **_: np.squeeze(x, dimensions),
    "transpose": lambda x, *, permutation, **_: np.transpose(x, permutation),
}

__all__ = ["interpreted"]
