"""Writes docs/accuracy.md: the largest errors of every loss over the grids of the tests, beside those of its peers.

    python docs/accuracy.py [--only NAME]

The truth is that of the tests' oracles, in mpmath with 110 digits at the very inputs (rounded to bfloat16 first where
these are what is given). It takes about fifteen minutes on two cores; the peers that are not installed have no column.
"""

import argparse
import os
import pathlib
import platform
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from multiprocessing import get_context
from typing import Any

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import ml_dtypes
import mpmath as mp
import numpy as np
import optax
from tqdm import tqdm

from tests import cases, ulp
from tests.cases import Case

cases.EVERY = True  # before the sweeps are imported, which ask for cases

from tests.sweeps import test_accuracy, test_peers

KINDS = {np.float32: ("value", "slope", "second"), ml_dtypes.bfloat16: ("value",)}
"""What is asked of predictions of a dtype; second derivatives are along a direction, see `asks_second`."""
TINY = 1e-30
PAGE = ROOT / "docs" / "accuracy.md"


@dataclass
class Truth:
    """What the oracle says of one group of samples of a shape, and the unit of each answer."""

    arrays: dict[str, np.ndarray]
    answers: dict[str, list[Any]] = field(default_factory=dict)
    units: dict[str, list[Any]] = field(default_factory=dict)


def asks_second(case: Case) -> bool:
    """Whether second derivatives are asked: of the richest case of a loss, as the tests do, and beside peers."""
    return case in test_accuracy.THOROUGH or bool(peers(case))


def truths(case: Case, dtype: Any) -> list[Truth]:
    """Values and slopes in the predictions, at the grid rounded to the dtype.

    What is rounded to an end at which terms of the formula are infinite is left out; a kink has no second derivative.
    """
    mp.mp.dps, options, found = ulp.DIGITS, case.given(), []
    kinds = KINDS[dtype]
    for arrays in test_accuracy.points(case):
        arrays = {**arrays, case.predictions: arrays[case.predictions].astype(dtype).astype(np.float32)}
        answered, count = {}, len(arrays[case.predictions])
        drawn = np.random.default_rng(1).permutation(count)[: test_accuracy.MANY] if asks_second(case) else ()
        for i in range(count):
            asked = [kind for kind in kinds if kind != "second" or i in drawn]
            with suppress(ZeroDivisionError):
                answered[i] = of_sample(case, options, {k: x[i] for k, x in arrays.items()}, asked)
        truth = Truth({k: x[list(answered)] for k, x in arrays.items()})
        for kind in kinds:
            truth.answers[kind] = [answers.get(kind) for answers, _ in answered.values()]
            truth.units[kind] = [units.get(kind) for _, units in answered.values()]
        found.append(truth)
    return found


def curvature(f: Callable[[list[Any]], Any], x: list[Any], i: int, along: list[Any]) -> Any:
    """The second derivative, from twice the digits since its step is squared; nan where the slope jumps."""
    with mp.workdps(2 * ulp.DIGITS):
        h = ulp.step_of(x[i])
        below, here, above = (f(ulp.moved(x, i, step)) for step in (-h, 0, h))
        left, right = (here - below) / h, (above - here) / h
        jump = abs(right - left)
        if jump > 1e-20 and jump > 1e-12 * max(abs(left), abs(right)):
            return mp.nan
        return ulp.second(f, x, i, along)


def of_sample(
    case: Case, options: dict[str, Any], given: dict[str, Any], kinds: list[str]
) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """The answers of each kind for one sample, and the unit of each."""
    name, limits = case.predictions, test_accuracy.limits
    found = {
        "value": (case.terms, case.value),
        "slope": (case.gradient_terms, limits(case, "gradient")[name]),
        "second": (case.second_terms, limits(case, "second")[name]),
    }
    sample = {k: test_accuracy.exact(x) for k, x in given.items()}
    flat, rebuilt = ulp.flattened({name: sample[name]})
    f = lambda x: case.oracle(*{**sample, **rebuilt(x)}.values(), **options)
    along = [ulp.exact(d) for d in np.ravel(test_accuracy.direction((1, *np.shape(given[name])))[0])]
    moved = lambda slope: [mp.mpf(0) if mp.isinf(x) else slope(j) for j, x in enumerate(flat)]
    asked = {
        "value": lambda: [f(flat)],
        "slope": lambda: moved(lambda j: ulp.first(f, flat, j)),
        "second": lambda: moved(lambda j: curvature(f, flat, j, along)),
    }
    answers = {kind: asked[kind]() for kind in kinds}
    answers = {kind: of_kind for kind, of_kind in answers.items() if not any(map(mp.isnan, of_kind))}
    units = {}
    for kind, of_kind in answers.items():
        terms, limit = found[kind]
        size = test_accuracy.largest_term(terms, name, sample.values(), options)
        size = max([size, *map(abs, of_kind)]) if len(of_kind) > 1 else size
        units[kind] = size if limit.strict is None or limit.scaled is not None else mp.mpf(0)
    return answers, units


def worst(truth: Truth, kind: str, got: np.ndarray | None) -> float | None:
    """The largest error of one kind of answer; None where nothing is asked, or answered."""
    if got is None or not any(truth.answers[kind]):
        return None
    rows = np.asarray(got, np.float32).reshape(len(truth.answers[kind]), -1)
    # What differences leave of a truth of 0 is no error of an answer of 0.
    errors = [
        0.0 if g == 0 and abs(t) < TINY else ulp.ulps(g, t, max(unit, abs(t)))
        for row, answers, unit in zip(rows, truth.answers[kind], truth.units[kind], strict=True)
        if answers
        for g, t in zip(row, answers, strict=True)
    ]
    return max(errors, default=0.0)


def answers_of(total: Callable[..., Any], p: Any, *others: Any) -> tuple[Any, Any, Any]:
    """Value, slope and second derivative along the direction of the tests, of arrays that are arguments."""
    along = test_accuracy.direction(p.shape).astype(p.dtype)

    def run(p, *others):
        slope = jax.grad(lambda p: jnp.sum(total(p, *others)))
        return total(p, *others), *jax.jvp(slope, (p,), (along,))

    return jax.jit(run)(p, *others)


def ours(case: Case, arrays: dict[str, np.ndarray], dtype: Any) -> tuple[Any, Any, Any]:
    """The library's answers."""
    name = case.predictions
    return answers_of(lambda p, others: case.loss({**others, name: p}), arrays[name].astype(dtype), arrays)


def of_jax(call: Callable[..., Any]) -> Callable[..., Any]:
    """A peer that is written in JAX; its targets are constants, since some peers look at them."""
    return lambda p, t: answers_of(lambda p: call(p, t), p)


def of_torch(row: Any) -> Callable[..., Any]:
    """A function of `torch.nn.functional`."""
    import torch

    _, _, peer, options = row
    tensor = lambda x: torch.tensor(x, dtype=torch.int64 if x.dtype == np.int32 else torch.float32)
    options = {k: tensor(np.float32(v)) if k == "pos_weight" else v for k, v in options.items()}

    def run(p, t):
        kind = torch.bfloat16 if p.dtype == ml_dtypes.bfloat16 else torch.float32
        x, y = torch.tensor(p.astype(np.float32)).to(kind).requires_grad_(), tensor(t)
        y = y.to(kind) if y.is_floating_point() else y
        losses = getattr(torch.nn.functional, peer)(x, y, reduction="none", **options)
        (slope,) = torch.autograd.grad(losses.sum(), x, create_graph=True)
        second = None
        if slope.requires_grad:  # else it is constant
            along = torch.tensor(test_accuracy.direction(p.shape).copy()).to(kind)
            with suppress(RuntimeError):  # PyTorch has no second derivative of some losses
                second = torch.autograd.grad((slope * along).sum(), x)[0].float().numpy()
        losses = losses.sum(-1) if peer == "kl_div" else losses
        return losses.detach().float().numpy(), slope.detach().float().numpy(), second

    return run


def of_keras(row: Any, case: Case) -> Callable[..., Any]:
    """A function of `keras.losses`, which averages over the last axis and takes the targets first."""
    import keras

    _, _, peer, options = row
    several = (lambda x: x) if case.classes else (lambda x: x[:, None])
    hot = lambda t, p: np.eye(p.shape[-1], dtype=np.float32)[t] if peer == "categorical_focal_crossentropy" else t
    return of_jax(lambda p, t: getattr(keras.losses, peer)(several(hot(t, p)), several(p), **options))


def peers(case: Case) -> dict[str, Callable[..., Any]]:
    """The functions of the peers that take the options of this case."""
    name, options, found = case.fn.__name__, case.options, {}
    if len(case.arrays) != 2 or any(isinstance(v, cases.Domain) for v in options.values()):
        return {}
    same = lambda row: row[0] == name and row[1] == options
    if name in test_peers.BOTH and not options:
        found["optax"] = of_jax(partial(getattr(optax.losses, name), **case.call))
    if row := next(filter(same, test_peers.TORCH), None):
        found["PyTorch"] = of_torch(row)
    if row := next(filter(same, test_peers.KERAS), None):
        found["Keras"] = of_keras(row, case)
    return found


def measured(case: Case, dtype: Any) -> dict[str, list[float | None]]:
    """By library, the largest errors of what is asked of the dtype."""
    kinds = KINDS[dtype]
    others = peers(case) if dtype is np.float32 or case.fn.__name__ in test_peers.BOTH else {}
    found: dict[str, list[float | None]] = {library: [None] * len(kinds) for library in ("jaxloss", *others)}
    for truth in truths(case, dtype):
        first, second = truth.arrays[case.predictions].astype(dtype), truth.arrays[case.targets]
        answers = {"jaxloss": ours(case, truth.arrays, dtype)}
        for library, run in others.items():
            with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                answers[library] = run(first, second)
        for library, given in answers.items():
            errors = [worst(truth, kind, got) for kind, got in zip(kinds, given, strict=False)]
            found[library] = list(map(larger, found[library], errors))
    return found


def larger(one: float | None, other: float | None) -> float | None:
    return max((error for error in (one, other) if error is not None), default=None)


def of_row(index: int, dtype: Any) -> dict[str, list[float | None]]:
    """What a process of its own measures of a row, which it has by its number."""
    return measured(cases.with_grid()[index], dtype)


def shown(error: float | None) -> str:
    """A number of units in the last place."""
    if error is None:
        return ""
    if not np.isfinite(error):
        return "not finite"
    return f"{error:.1f}" if error < 99.95 else f"{error:.0f}" if error < 1e5 else f"{error:.0e}".replace("e+0", "e")


def table(
    rows: list[tuple[Case, dict[str, list[float | None]]]], libraries: tuple[str, ...], kinds: tuple[str, ...]
) -> str:
    """Errors by loss."""
    heads = ["loss", *kinds, *(f"{library} {kind}" for library in libraries for kind in kinds)]
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1)]
    for case, found in rows:
        name, *options = case.id.removesuffix("]").split("[")
        cells = [
            f"`{name}`" + (f" {options[0].replace(',', ', ')}" if options else ""),
            *map(shown, found["jaxloss"]),
        ]
        for library in libraries:
            cells += map(shown, found[library]) if library in found else [""] * len(kinds)
        lines.append(cells)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def versions() -> str:
    packages = "jax", "jaxlib", "optax", "keras", "torch", "mpmath"
    installed = {d.metadata["Name"].lower() for d in metadata.distributions()}
    listed = ", ".join(f"{package} {metadata.version(package)}" for package in packages if package in installed)
    return f"Python {platform.python_version()}, {listed}; {jax.default_backend()}"


TEXT = """# Accuracy

The largest error of each loss over the grid of its test, which goes to the closed ends of its domain: of its value, of
its slope in the predictions and, beside peers and for the richest options of a loss, of the second derivative in the
predictions along a direction, at {many} points of the grid at most; a kink has none. The unit is the spacing of float32
numbers (units in the last place, ulp) at the truth or, in the rows whose tests allow it since the textbook formula has
larger terms that cancel, at the largest of them. An ideal answer, rounded once, is off by 0.5. The truth is computed by
mpmath with 110 digits from the formula of the paper, and twice as many for second derivatives; the inputs are taken as
they are.

The tests of the library hold limits for every row, and for slopes and second derivatives in all other arrays too.
The slope of a softmax cross-entropy in a class that is improbable by exp(-60) is itself about 1e-26, and has the
rounding of a difference of logits times 60, which is the 30 ulp of its row.
"not finite" says that an answer is nan or infinite where the truth is neither. The peers are asked for what they
have: Keras clips probabilities and logits, so that it computes another function near 0 and 1.

- command: `python docs/accuracy.py`
- versions: {versions}

## float32

{single}

## bfloat16

Predictions are rounded to bfloat16 and the truth of the loss is taken there. The loss is a float32 number, and so is
its unit: a peer that returns its loss in bfloat16 is off by up to 65536 of these units by its rounding alone.

{half}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="a loss, whose errors are printed; the page stays as it is")
    options = parser.parse_args()
    wanted = [case for case in cases.with_grid() if options.only in (None, case.fn.__name__)]
    every, results = cases.with_grid(), {}
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for dtype in KINDS:
            running = [pool.submit(of_row, every.index(case), dtype) for case in wanted]
            progress = tqdm(zip(wanted, running, strict=True), np.dtype(dtype).name, len(wanted), unit="loss")
            results[dtype] = [(case, errors.result()) for case, errors in progress]
    libraries = tuple(sorted({name for _, found in results[np.float32] for name in found} - {"jaxloss"}))
    single, half = (table(found, libraries, KINDS[dtype]) for dtype, found in results.items())
    tables = {"single": single, "half": half}
    if options.only:
        print("\n\n".join(tables.values()))
    else:
        PAGE.write_text(TEXT.format(versions=versions(), many=test_accuracy.MANY, **tables), encoding="utf-8")


if __name__ == "__main__":
    main()
