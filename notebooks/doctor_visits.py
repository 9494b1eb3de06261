"""How often do people see a doctor? A Poisson GLM and an MLP, both trained with `jaxloss.PoissonNLL`.

The data is the RAND Health Insurance Experiment, as shipped inside statsmodels. The GLM is fitted to all of it and held
against `statsmodels.Poisson`, which finds the same optimum by Newton's method in float64; then the GLM and the MLP meet
in a cross-validation, judged on families that they have not seen.

    python notebooks/doctor_visits.py [--out build/doctor_visits.png]

The notebook beside this file tells the same story cell by cell.
"""

import argparse
import time
from functools import cache
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.figure
import numpy as np
import optax
import statsmodels.api as sm
from flax import nnx
from style import BLUE, DASHED, GREY, INK, ORANGE, STYLE
from tqdm import tqdm

import jaxloss

# full="exact" keeps the constant log k!, so that minus the loss is the log-likelihood that statisticians report.
LOSS = jaxloss.PoissonNLL(full="exact")

# How close the float32 GLM has to come to statsmodels.
LOG_LIKELIHOOD_TOLERANCE = 0.5
COEFFICIENT_TOLERANCE = 1e-3

FOLDS = 4


# --- the data ---------------------------------------------------------------------------------------------------------


class Data(NamedTuple):
    names: list[str]  # of the regressors
    raw: np.ndarray  # [rows, 9], float64: the regressors as they come
    linear: jax.Array  # [rows, 9]: the same, standardised; what the GLM sees
    rich: jax.Array  # [rows, 9 + indicators of single values]: what the MLP sees
    visits: jax.Array  # [rows]: integer counts
    family: np.ndarray  # [rows]: an identifier
    fold: np.ndarray  # [rows]: 0 to FOLDS - 1, the same for all rows of a family


def load(seed: int = 0) -> Data:
    """The 20,190 rows, every family in one of four folds.

    A row is one year of one person, and people stay for three or five years. Rows of one person, or of one family, are
    so alike that a split by rows would let a model recognise whom it has seen. There is no identifier, but a family
    lies together and shares its insurance plan, which is what the first four columns describe.
    """
    table = sm.datasets.randhie.load_pandas()
    raw = table.exog.to_numpy(np.float64)
    plan = raw[:, :4]
    family = np.concatenate([[0], np.cumsum((plan[1:] != plan[:-1]).any(1))])
    fold = np.random.default_rng(seed).integers(FOLDS, size=family[-1] + 1)[family]

    # One learning rate suits all coefficients only if all columns have one scale.
    linear = (raw - raw.mean(0)) / raw.std(0)
    # Columns of few values get an indicator of each: some values of `disea` and `physlm` look like means put where the
    # answer was missing, and the people behind them are unlike their neighbours on the axis.
    values = [np.unique(column) for column in raw.T]
    indicators = [x[:, None] == v for x, v in zip(raw.T, values, strict=True) if 2 < len(v) <= 40]
    return Data(
        names=list(table.exog.columns),
        raw=raw,
        linear=jnp.asarray(linear, jnp.float32),
        rich=jnp.asarray(np.hstack([linear, *indicators]), jnp.float32),
        visits=jnp.asarray(table.endog.to_numpy(np.int32)),
        family=family,
        fold=fold,
    )


# --- the models: both give the logarithm of the expected number of visits ---------------------------------------------


class GLM(nnx.Module):
    """Poisson regression: the log-rate is linear in the regressors."""

    def __init__(self, features: int, rngs: nnx.Rngs):
        self.out = nnx.Linear(features, 1, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        # [rows, 1] to [rows]: jaxloss never broadcasts predictions against targets.
        return self.out(x)[:, 0]


class MLP(nnx.Module):
    """One hidden layer."""

    def __init__(self, features: int, rngs: nnx.Rngs, hidden: int = 16):
        self.hidden = nnx.Linear(features, hidden, rngs=rngs)
        self.out = nnx.Linear(hidden, 1, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.out(nnx.tanh(self.hidden(x)))[:, 0]


# --- training ---------------------------------------------------------------------------------------------------------


@nnx.jit
def train_step(model, optimizer, loss, x, visits, where):
    """One step of optax. The loss is a pytree, hence an argument like any other."""

    def objective(model):
        return loss(model(x), visits, where=where)

    value, grads = nnx.value_and_grad(objective)(model)
    optimizer.update(model, grads)
    return value


@nnx.jit
def evaluate(model, loss, x, visits, where):
    return loss(model(x), visits, where=where)


@cache  # jit knows the optimizer by identity: one for all folds, one compilation for all folds
def adamw_with_decaying_steps(steps, learning_rate, weight_decay):
    def kernels(params):
        # Decay shrinks the kernels alone: a shrunken bias would only predict too few visits.
        return jax.tree.map(lambda p: p.ndim > 1, params)

    schedule = optax.cosine_decay_schedule(learning_rate, steps)
    return optax.adamw(schedule, weight_decay=weight_decay, mask=kernels)


def batches(train_rows, count, rng):
    """An epoch in so many batches: pairs of (which rows to take, which of those count)."""
    if count == 1:
        return [(slice(None), train_rows)]
    # All batches have one shape, so that jit traces once: the last is padded, and its mask says with what.
    shuffled = rng.permutation(np.flatnonzero(train_rows))
    size = -(-len(shuffled) // count)
    rows = np.pad(shuffled, (0, count * size - len(shuffled)))
    where = np.arange(len(rows)) < len(shuffled)
    return list(zip(rows.reshape(count, size), where.reshape(count, size), strict=True))


def train(
    name, model, x, visits, train_rows, *, epochs, steps_per_epoch, learning_rate, weight_decay=0.0, held_out=None
):
    """Trains with AdamW and a cosine schedule; returns (steps, training losses, held-out losses), one for each epoch.

    `train_rows` and `held_out` are masks. The training loss is the mean over the epoch's rows, each taken just before
    its step; the held-out loss is that of the model after the epoch.
    """
    adamw = adamw_with_decaying_steps(epochs * steps_per_epoch, learning_rate, weight_decay)
    optimizer = nnx.Optimizer(model, adamw, wrt=nnx.Param)
    rng = np.random.default_rng(0)
    history = []
    with tqdm(total=epochs * steps_per_epoch, desc=f"{name:>16}", unit="step", ncols=110, mininterval=0.5) as bar:
        for epoch in range(1, epochs + 1):
            values, counts = [], []
            for rows, where in batches(train_rows, steps_per_epoch, rng):
                values.append(train_step(model, optimizer, LOSS, x[rows], visits[rows], where))
                counts.append(where.sum())
            losses = [np.average(values, weights=counts)]
            if held_out is not None:
                losses.append(float(evaluate(model, LOSS, x, visits, held_out)))
            history.append((epoch * steps_per_epoch, *losses))
            bar.update(steps_per_epoch)
            bar.set_postfix_str("loss " + ", held out ".join(f"{loss:.4f}" for loss in losses), refresh=False)
    return np.array(history).T


def train_to_optimum(data: Data, rows, name="GLM", held_out=None):
    """The GLM by full-batch steps: with no noise in the gradient, a decaying step size ends at the optimum itself."""
    model = GLM(data.linear.shape[1], nnx.Rngs(0))
    options = {"epochs": 400, "steps_per_epoch": 1, "learning_rate": 0.05, "held_out": held_out}
    return model, train(name, model, data.linear, data.visits, rows, **options)


def train_with_decay(kind, data: Data, rows, name="MLP", held_out=None):
    """A model of the rich inputs by minibatches, with strong weight decay, as these counts are mostly noise."""
    model = kind(data.rich.shape[1], nnx.Rngs(0))
    options = {"epochs": 12, "steps_per_epoch": 30, "learning_rate": 0.01, "weight_decay": 1.0, "held_out": held_out}
    return model, train(name, model, data.rich, data.visits, rows, **options)


# --- beside statsmodels -----------------------------------------------------------------------------------------------


class Fit(NamedTuple):
    coefficients: np.ndarray  # [10]: the constant first
    log_likelihood: float


def glm_fit(model: GLM, data: Data) -> Fit:
    """What the GLM learned, in the units of the raw regressors."""
    kernel = np.asarray(model.out.kernel[...], np.float64)[:, 0] / data.raw.std(0)
    constant = float(model.out.bias[0]) - kernel @ data.raw.mean(0)
    log_likelihood = -float(LOSS.replace(reduction="sum")(model(data.linear), data.visits))
    return Fit(np.array([constant, *kernel]), log_likelihood)


def statsmodels_fit(data: Data) -> Fit:
    """The same model by Newton's method in float64."""
    result = sm.Poisson(np.asarray(data.visits), sm.add_constant(data.raw)).fit(disp=0)
    return Fit(result.params, result.llf)


def compare(ours: Fit, theirs: Fit, names: list[str]) -> str:
    """Both fits as a table."""
    rows = zip(["const", *names], ours.coefficients, theirs.coefficients, strict=True)
    lines = [f"{'':<16}{'jaxloss':>14}{'statsmodels':>14}{'difference':>14}"]
    lines += [f"{name:<16}{a:>14.6f}{b:>14.6f}{a - b:>14.1e}" for name, a, b in rows]
    a, b = ours.log_likelihood, theirs.log_likelihood
    return "\n".join([*lines, f"{'log-likelihood':<16}{a:>14.2f}{b:>14.2f}{a - b:>14.1e}"])


def misses(ours: Fit, theirs: Fit) -> list[str]:
    """What is further from statsmodels than it may be; nothing, if all is well."""
    gaps = [
        ("log-likelihood", abs(ours.log_likelihood - theirs.log_likelihood), LOG_LIKELIHOOD_TOLERANCE),
        ("worst coefficient", np.max(np.abs(ours.coefficients - theirs.coefficients)), COEFFICIENT_TOLERANCE),
    ]
    # Written so that a nan is a miss too.
    return [f"{name} off by {gap:.3g}, allowed {allowed:g}" for name, gap, allowed in gaps if not gap <= allowed]


# --- on families that no model has seen -------------------------------------------------------------------------------


def cross_validate(data: Data):
    """Log-rates of every row by models that have not seen its family, and the MLP's histories, one for each fold."""
    blank = jnp.zeros(data.visits.shape)
    log_rates = {"constant rate": blank, "GLM": blank, "rich GLM": blank, "MLP": blank}
    histories = []
    for k in range(FOLDS):
        held_out = data.fold == k
        glm, _ = train_to_optimum(data, ~held_out, f"GLM, fold {k + 1}", held_out)
        # The MLP less its hidden layer: what the richer inputs bring should not be credited to the layer.
        rich_glm, _ = train_with_decay(GLM, data, ~held_out, f"rich GLM, fold {k + 1}", held_out)
        mlp, history = train_with_decay(MLP, data, ~held_out, f"MLP, fold {k + 1}", held_out)
        predictions = {
            "constant rate": jnp.log(data.visits[~held_out].mean()),
            "GLM": glm(data.linear),
            "rich GLM": rich_glm(data.rich),
            "MLP": mlp(data.rich),
        }
        log_rates = {name: jnp.where(held_out, predictions[name], x) for name, x in log_rates.items()}
        histories.append(history)
    return log_rates, histories


def held_out_table(log_rates: dict[str, jax.Array], data: Data) -> str:
    """Loss and deviance per person-year, and the share of the constant rate's deviance that is explained."""
    deviance = jaxloss.PoissonDeviance()
    baseline = deviance(log_rates["constant rate"], data.visits)
    lines = [f"{'':<16}{'NLL':>14}{'deviance':>14}{'explained':>14}"]
    for name, x in log_rates.items():
        left = deviance(x, data.visits)
        lines.append(f"{name:<16}{LOSS(x, data.visits):>14.4f}{left:>14.4f}{1 - left / baseline:>14.1%}")
    return "\n".join(lines)


def gain(better: jax.Array, worse: jax.Array, data: Data) -> tuple[float, float]:
    """How much lower the first one's loss is, in nats per person-year, and the standard error of that.

    The error comes from the scatter between families, since the years of one family do not err independently.
    """
    # The constant log k! cancels, so the loss without it will do.
    difference = jaxloss.poisson_nll(worse, data.visits) - jaxloss.poisson_nll(better, data.visits)
    difference = np.asarray(difference, np.float64)
    by_family = np.bincount(data.family, difference - difference.mean())
    return float(difference.mean()), float(np.sqrt(np.sum(by_family**2)) / len(difference))


def verdict(log_rates: dict[str, jax.Array], data: Data) -> str:
    """Whether the MLP beats the GLM, and whether the indicators or the hidden layer did it."""
    lines = []
    for name in ("GLM", "rich GLM"):
        mean, error = gain(log_rates["MLP"], log_rates[name], data)
        if mean <= 0:
            judgement = "it does NOT beat it"
        else:
            judgement = "better" if mean > 2 * error else "better, but within two standard errors"
        lines.append(f"MLP against {name + ':':<10}{-mean:+.4f} nats, standard error {error:.4f}: {judgement}")
    return "\n".join(lines)


# --- the plot ---------------------------------------------------------------------------------------------------------


def count_distribution(log_rates: jax.Array, largest: int) -> np.ndarray:
    """The share of people with 0, 1, ... visits that the Poisson laws of these rates add up to."""
    counts = jnp.arange(largest + 1)
    x, k = jnp.broadcast_arrays(log_rates[:, None], counts)
    # With full="exact", exp(-loss) is the probability itself.
    return np.asarray(jnp.exp(-jaxloss.poisson_nll(x, k, full="exact")).mean(0))


def by_decile(log_rates: jax.Array, visits: jax.Array) -> np.ndarray:
    """The mean predicted and the mean observed count in each tenth of the rows, sorted by prediction."""
    rates, visits = np.exp(log_rates), np.asarray(visits)
    return np.array([(rates[rows].mean(), visits[rows].mean()) for rows in np.array_split(np.argsort(rates), 10)]).T


def plot(glm_history, mlp_histories, theirs: Fit, log_rates, data: Data) -> matplotlib.figure.Figure:
    """Training curves above; below, the counts of unseen families against what was predicted for them."""
    optimum = -theirs.log_likelihood / len(data.visits)
    with matplotlib.rc_context(STYLE):
        figure = matplotlib.figure.Figure(figsize=(12, 8.6), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12, wspace=0.04, hspace=0.06)
        (top_left, top_right), (bottom_left, bottom_right) = figure.subplots(2, 2)

        steps, losses = glm_history
        top_left.axhline(optimum, color=INK, **DASHED, label=f"optimum of statsmodels, {optimum:.4f}")
        top_left.plot(steps, losses, color=BLUE, label=f"GLM, ends at {losses[-1]:.4f}")
        top_left.set(title="GLM on all rows", xlabel="full-batch step", ylabel="NLL per person-year")
        top_left.set(xscale="log", xlim=(1, steps[-1]))
        top_left.xaxis.set_major_formatter("{x:.0f}")
        top_left.legend(loc="upper right")

        glm_held_out = float(LOSS(log_rates["GLM"], data.visits))
        steps, seen, unseen = np.mean(mlp_histories, axis=0)
        top_right.axhline(glm_held_out, color=BLUE, **DASHED, label="fitted GLM, unseen families")
        top_right.plot(steps, unseen, color=ORANGE, marker="o", markersize=4, label="MLP, unseen families")
        top_right.plot(steps, seen, color=ORANGE, linestyle=":", label="MLP, training families (running mean)")
        top_right.set(title="MLP, mean of four folds", xlabel="minibatch step", ylabel="NLL per person-year")
        top_right.set_xlim(0, steps[-1] * 1.02)
        top_right.legend(loc="upper right")

        largest = 15
        observed = np.bincount(data.visits, minlength=largest + 1)[: largest + 1] / len(data.visits)
        bottom_left.bar(range(largest + 1), observed, color=GREY, width=0.85, label="observed")
        for name, color, marker in (("GLM", BLUE, "o"), ("MLP", ORANGE, "s")):
            line = {"color": color, "marker": marker, "markersize": 5, "linewidth": 1.3, "label": name}
            bottom_left.plot(count_distribution(log_rates[name], largest), **line)
            bottom_right.plot(*by_decile(log_rates[name], data.visits), **line)
        bottom_left.set(title="Unseen families: how many visits?", xlim=(-0.7, largest + 0.7))
        bottom_left.set(xlabel="visits in a year", ylabel="share of person-years")
        bottom_left.grid(axis="x", visible=False)
        bottom_left.legend(loc="upper right")

        limit = 1.05 * max(bottom_right.get_xlim()[1], bottom_right.get_ylim()[1])
        bottom_right.plot([0, limit], [0, limit], color=INK, **DASHED, label="observed = predicted")
        bottom_right.set(title="Unseen families: ten groups, sorted by prediction", xlim=(0, limit), ylim=(0, limit))
        bottom_right.set(xlabel="predicted visits, group mean", ylabel="observed visits, group mean")
        bottom_right.legend(loc="upper left")
    return figure


# --- all of it --------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("build/doctor_visits.png"), help="where the plot goes")
    out = parser.parse_args().out
    start = time.perf_counter()

    data = load()
    everyone = np.ones(len(data.visits), bool)
    print(f"RAND Health Insurance Experiment: {len(everyone):,} person-years, {len(data.names)} regressors\n")

    glm, glm_history = train_to_optimum(data, everyone, "GLM, all rows")
    ours, theirs = glm_fit(glm, data), statsmodels_fit(data)
    print(f"\nPoisson GLM, all rows\n\n{compare(ours, theirs, data.names)}\n", flush=True)

    log_rates, mlp_histories = cross_validate(data)
    print(f"\nCross-validation: every family judged by models fitted without it\n\n{held_out_table(log_rates, data)}\n")
    print(f"{verdict(log_rates, data)}\n")

    figure = plot(glm_history, mlp_histories, theirs, log_rates, data)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=150)
    print(f"Plot: {out}\nTime: {time.perf_counter() - start:.0f} s", flush=True)
    if missed := misses(ours, theirs):
        raise SystemExit("The GLM missed statsmodels: " + "; ".join(missed) + ".")


if __name__ == "__main__":
    main()
