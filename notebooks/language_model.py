"""A small language model, trained twice from one start: with `jaxloss.LinearSoftmaxCrossEntropy`, and with all logits.

The text is Python's own help (`pydoc_data.topics`), the tokenizer is trained on the spot, the model is a small Flax
transformer whose embedding is its last layer too. Both runs see the same batches and have the same losses; the
fused one never holds all logits, and its step needs a third of the memory.

    python notebooks/language_model.py [--steps 80] [--out build/language_model.png]

The notebook beside this file tells the same story cell by cell.
"""

import argparse
import time
from functools import cache, partial
from pathlib import Path
from pydoc_data.topics import topics
from typing import NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.figure
import numpy as np
import optax
from flax import nnx
from style import BLUE, DASHED, GREY, INK, ORANGE, STYLE
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from tqdm import tqdm

import jaxloss

VOCABULARY = 8192
LENGTH = 128  # tokens of a row
ROWS = 16  # of a batch
WIDTH = 128
LAYERS = 2
STEPS = 80

# The contenders. All have the z-loss, which keeps log-partition functions near 0. At this size mode="auto" would hold
# all logits, as they are small enough: 2048 tokens times 8192 classes are 67 MB. So the modes are named here.
Z_LOSS = 1e-4
FUSED = jaxloss.LinearSoftmaxCrossEntropy(kernel_layout="vd", z_loss=Z_LOSS, mode="fast", chunk_size=256)
LOSSES = {
    "dense": jaxloss.SoftmaxCrossEntropyWithIntegerLabels(z_loss=Z_LOSS),
    "fused": FUSED,
    "fused, low memory": FUSED.replace(mode="low_memory", chunk_size=1024),
}

# How far the curves may be apart, in nats, at any step.
TOLERANCE = 1e-4


# --- the data ---------------------------------------------------------------------------------------------------------


class Windows(NamedTuple):
    tokens: np.ndarray  # [rows, LENGTH + 1]: each row's inputs are all but the last, its labels all but the first
    where: np.ndarray  # [rows, LENGTH]: which labels are not padding


class Data(NamedTuple):
    tokenizer: Tokenizer
    train: Windows
    held_out: Windows


def documents() -> list[str]:
    """Python's help, a text for each topic, without the paragraphs that an earlier topic had.

    Long topics contain short ones whole, so that a split by topics would test on paragraphs that were trained on.
    """
    seen, texts = set(), []
    for text in topics.values():
        new = {" ".join(paragraph.split()): paragraph for paragraph in text.split("\n\n")}
        texts.append("\n\n".join(paragraph for words, paragraph in new.items() if words not in seen))
        seen.update(new)
    return [text for text in texts if text.strip()]


def train_tokenizer(texts: list[str]) -> Tokenizer:
    """Byte-pair encoding of bytes: any text can be encoded, and decoding gives it back."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        min_frequency=1,  # the text is short for so many classes: the last merges are of words that occur once
        special_tokens=["<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if tokenizer.get_vocab_size() != VOCABULARY:
        raise ValueError(f"The text is enough for {tokenizer.get_vocab_size()} tokens only, not for {VOCABULARY}.")
    return tokenizer


def windows(tokenizer: Tokenizer, texts: list[str]) -> Windows:
    """Rows of LENGTH + 1 tokens, in which each token of each text is a label once; padded where a text ends."""
    end = tokenizer.token_to_id("<end>")
    tokens, where = [], []
    for text in texts:
        ids = [end, *tokenizer.encode(text).ids, end]
        for start in range(0, len(ids) - 1, LENGTH):
            row = ids[start : start + LENGTH + 1]
            tokens.append(np.pad(row, (0, LENGTH + 1 - len(row)), constant_values=end))
            where.append(np.arange(LENGTH) < len(row) - 1)
    return Windows(np.array(tokens, np.int32), np.array(where))


def load(seed: int = 0) -> Data:
    """The rows to train on, and those of topics held out: about a tenth of the text."""
    texts = documents()
    # The tokenizer may see all of it; it learns which strings are frequent, not what follows them.
    tokenizer = train_tokenizer(texts)
    order = np.random.default_rng(seed).permutation(len(texts))
    sizes = np.array([len(texts[i]) for i in order])
    before = np.cumsum(sizes) - sizes
    held_out = [texts[i] for i in order[before < 0.1 * sizes.sum()]]
    train = [texts[i] for i in order[before >= 0.1 * sizes.sum()]]
    return Data(tokenizer, windows(tokenizer, train), windows(tokenizer, held_out))


def batches(rows: Windows, steps: int, seed: int = 0):
    """So many batches of ROWS rows, epoch after epoch, each in a new order."""
    rng = np.random.default_rng(seed)
    epochs = -(-steps * ROWS // len(rows.tokens))
    order = np.concatenate([rng.permutation(len(rows.tokens)) for _ in range(epochs)])
    for some in order[: steps * ROWS].reshape(steps, ROWS):
        yield rows.tokens[some], rows.where[some]


# --- the model --------------------------------------------------------------------------------------------------------


class Block(nnx.Module):
    """Attention to what came before, then an MLP, each added to its input."""

    def __init__(self, rngs: nnx.Rngs):
        # Both begin by adding nothing: the model starts as its embedding, which is soon of use.
        zeros = nnx.initializers.zeros
        options = {"use_bias": False, "decode": False, "out_kernel_init": zeros}
        self.attention = nnx.MultiHeadAttention(4, WIDTH, **options, rngs=rngs)
        self.up = nnx.Linear(WIDTH, 4 * WIDTH, rngs=rngs)
        self.down = nnx.Linear(4 * WIDTH, WIDTH, kernel_init=zeros, rngs=rngs)
        self.norms = nnx.List([nnx.RMSNorm(WIDTH, rngs=rngs) for _ in range(2)])

    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        x = x + self.attention(self.norms[0](x), mask=mask)
        return x + self.down(nnx.gelu(self.up(self.norms[1](x))))


class Transformer(nnx.Module):
    """From tokens, [rows, length], to hidden states, [rows, length, WIDTH]; the last layer is left to the loss."""

    def __init__(self, rngs: nnx.Rngs):
        normal = nnx.initializers.normal(0.02)
        self.embedding = nnx.Embed(VOCABULARY, WIDTH, embedding_init=normal, rngs=rngs)
        self.position = nnx.Embed(LENGTH, WIDTH, embedding_init=normal, rngs=rngs)
        self.blocks = nnx.List([Block(rngs) for _ in range(LAYERS)])
        self.norm = nnx.RMSNorm(WIDTH, rngs=rngs)

    @property
    def kernel(self) -> jax.Array:
        """The last layer, [VOCABULARY, WIDTH]: the embedding once more."""
        return self.embedding.embedding[...]

    def __call__(self, tokens: jax.Array) -> jax.Array:
        x = self.embedding(tokens) + self.position(jnp.arange(tokens.shape[1]))
        # Padding is at the end of a row, so what looks backwards does not see it.
        mask = nnx.make_causal_mask(tokens)
        for block in self.blocks:
            x = block(x, mask)
        return self.norm(x)


# --- training ---------------------------------------------------------------------------------------------------------


def apply(loss, model, tokens, where):
    """The loss of predicting each token from those before it."""
    hidden, labels = model(tokens[:, :-1]), tokens[:, 1:]
    if isinstance(loss, jaxloss.LinearSoftmaxCrossEntropy):
        return loss(hidden, labels, kernel=model.kernel, where=where)
    return loss(hidden @ model.kernel.T, labels, where=where)


@partial(nnx.jit, static_argnames="loss")
def train_step(model, optimizer, loss, tokens, where):
    """One step of optax. The loss is static: one compiled program for each."""
    value, grads = nnx.value_and_grad(lambda model: apply(loss, model, tokens, where))(model)
    optimizer.update(model, grads)
    return value


@cache  # jit knows the optimizer by identity: one for all runs, one compilation for all runs
def adamw(steps: int) -> optax.GradientTransformation:
    rate = optax.warmup_cosine_decay_schedule(3e-4, 3e-3, steps // 10, steps)
    return optax.adamw(rate, b2=0.99, weight_decay=0.01)


def start(steps: int) -> tuple[Transformer, nnx.Optimizer]:
    """A model and its optimizer, the same whenever called."""
    model = Transformer(nnx.Rngs(0))
    return model, nnx.Optimizer(model, adamw(steps), wrt=nnx.Param)


def train(data: Data, names: list[str], steps: int = STEPS):
    """Trains a model with each of these losses, in turns: step by step on the same batch.

    Returns the models by name, and the training losses by name, one for each step, each taken just before it.
    """
    runs = {name: start(steps) for name in names}
    curves = {name: [] for name in names}
    with tqdm(total=steps, desc=" and ".join(names), unit="step", ncols=110, mininterval=0.5) as bar:
        for tokens, where in batches(data.train, steps):
            for name, (model, optimizer) in runs.items():
                curves[name].append(float(train_step(model, optimizer, LOSSES[name], tokens, where)))
            bar.update()
            bar.set_postfix_str("loss " + ", ".join(f"{curve[-1]:.5f}" for curve in curves.values()), refresh=False)
    return {name: model for name, (model, _) in runs.items()}, {name: np.array(c) for name, c in curves.items()}


# --- what a step costs ------------------------------------------------------------------------------------------------


class Cost(NamedTuple):
    memory: int  # bytes that the compiled step holds at its peak, beside the model and the optimizer
    seconds: float  # the median


def measure(data: Data, steps: int = STEPS, repeats: int = 5) -> dict[str, Cost]:
    """The training step with each of the losses: what its compiled program says of its memory, and how long it takes.

    The steps are timed in turns, so that whatever else the machine does slows all of them.
    """
    batch = next(batches(data.train, 1))
    runs = {name: (*start(steps), loss) for name, loss in LOSSES.items()}
    memory, seconds = {}, {name: [] for name in LOSSES}
    for name, run in runs.items():
        program = train_step.lower(*run, *batch).compile().compiled
        memory[name] = program.memory_analysis().temp_size_in_bytes
        float(train_step(*run, *batch))  # the first call is slower
    for _ in range(repeats):
        for name, run in runs.items():
            begin = time.perf_counter()
            float(train_step(*run, *batch))  # waits for the step to end
            seconds[name].append(time.perf_counter() - begin)
    return {name: Cost(memory[name], float(np.median(seconds[name]))) for name in LOSSES}


def cost_table(costs: dict[str, Cost]) -> str:
    """Memory and time of a step, and their ratios to those of the dense one."""
    dense = costs["dense"]
    lines = [f"{'':<20}{'peak MB':>12}{'of dense':>12}{'ms a step':>12}{'of dense':>12}"]
    for name, (memory, seconds) in costs.items():
        shares = memory / dense.memory, seconds / dense.seconds
        lines.append(f"{name:<20}{memory / 1e6:>12.1f}{shares[0]:>12.0%}{1e3 * seconds:>12.0f}{shares[1]:>12.0%}")
    return "\n".join(lines)


# --- on topics that were held out -------------------------------------------------------------------------------------


@nnx.jit
def totals(model, tokens, where):
    """Numerator and denominator of the mean loss; without the z-loss, so that it is a likelihood."""
    loss = FUSED.replace(z_loss=0.0)
    return loss.total(model(tokens[:, :-1]), tokens[:, 1:], kernel=model.kernel, where=where)


def held_out_loss(model: Transformer, rows: Windows) -> float:
    """The mean over all tokens, in batches of one shape: the last is filled up with rows that do not count."""
    missing = -len(rows.tokens) % ROWS
    tokens, where = (np.pad(x, ((0, missing), (0, 0))) for x in rows)
    pieces = [totals(model, tokens[i : i + ROWS], where[i : i + ROWS]) for i in range(0, len(tokens), ROWS)]
    numerator, denominator = np.sum(pieces, axis=0)
    return float(numerator / denominator)


def frequencies_loss(data: Data) -> float:
    """The loss of a model that knows how frequent each token is, and nothing else."""
    labels = data.train.tokens[:, 1:][data.train.where]
    log_counts = jnp.log(jnp.bincount(labels, length=VOCABULARY) + 1.0)
    labels = data.held_out.tokens[:, 1:]
    logits = jnp.broadcast_to(log_counts, (*labels.shape, VOCABULARY))
    return float(jaxloss.SoftmaxCrossEntropyWithIntegerLabels()(logits, labels, where=data.held_out.where))


def held_out(models: dict[str, Transformer], data: Data) -> dict[str, float]:
    """Nats per token: by the frequencies of tokens, by the model before it is trained, and by the trained ones."""
    losses = {"token frequencies": frequencies_loss(data)}
    for name, model in {"untrained": Transformer(nnx.Rngs(0)), **models}.items():
        losses[name] = held_out_loss(model, data.held_out)
    return losses


def held_out_table(losses: dict[str, float]) -> str:
    lines = [f"{'':<20}{'NLL':>12}{'perplexity':>12}"]
    return "\n".join([*lines, *(f"{name:<20}{loss:>12.4f}{np.exp(loss):>12.0f}" for name, loss in losses.items())])


# --- the verdict ------------------------------------------------------------------------------------------------------


def largest_gap(curves: dict[str, np.ndarray]) -> float:
    """The largest difference between the curves at any step."""
    return float(np.max(np.ptp(list(curves.values()), axis=0)))


def misses(curves: dict[str, np.ndarray], costs: dict[str, Cost], losses: dict[str, float]) -> list[str]:
    """What is not as promised; nothing, if all is well."""
    gap, dense = largest_gap(curves), costs["dense"].memory
    # Written so that a nan is a miss too.
    missed = [] if gap <= TOLERANCE else [f"the curves are {gap:.3g} apart, allowed {TOLERANCE:g}"]
    missed += [
        f"{name} needs {cost.memory / dense:.0%} of the dense memory, allowed 50%"
        for name, cost in costs.items()
        if name != "dense" and not cost.memory <= 0.5 * dense
    ]
    if not losses["fused"] < losses["token frequencies"]:
        missed.append("the model learned no more than frequencies")
    return missed


# --- the plot ---------------------------------------------------------------------------------------------------------


def plot(curves: dict[str, np.ndarray], costs: dict[str, Cost], losses: dict[str, float]) -> matplotlib.figure.Figure:
    """The curves and how far they are apart above; memory and time of a step below."""
    with matplotlib.rc_context(STYLE):
        figure = matplotlib.figure.Figure(figsize=(12, 8), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12, wspace=0.04, hspace=0.06)
        (top_left, top_right), (bottom_left, bottom_right) = figure.subplots(2, 2)
        steps = np.arange(1, len(curves["dense"]) + 1)

        top_left.plot(steps, curves["dense"], color=GREY, linewidth=6, label="dense")
        top_left.plot(steps, curves["fused"], color=BLUE, linewidth=1.5, label="fused")
        held_out, frequencies = losses["fused"], losses["token frequencies"]
        top_left.axhline(frequencies, color=INK, **DASHED, label=f"held out: token frequencies, {frequencies:.2f}")
        top_left.axhline(held_out, color=ORANGE, **DASHED, label=f"held out: the trained model, {held_out:.2f}")
        top_left.set(title="Training loss", xlabel="step", ylabel="nats per token", xlim=(0, steps[-1]))
        top_left.legend(loc="upper right")

        gaps = np.abs(curves["fused"] - curves["dense"])
        rounding = np.finfo(np.float32).eps * curves["dense"]
        top_right.axhline(TOLERANCE, color=INK, **DASHED, label="allowed")
        top_right.plot(steps, np.maximum(gaps, 1e-8), ".", color=BLUE, label="fused against dense; 0 is at the bottom")
        top_right.plot(steps, rounding, color=GREY, label="one unit in float32's last place, about")
        top_right.set(title="How far the curves are apart", xlabel="step", ylabel="nats per token", yscale="log")
        top_right.set(xlim=(0, steps[-1]), ylim=(0.7e-8, 1e-3))
        top_right.legend(loc="upper left")

        names, colors = list(costs), [GREY, BLUE, ORANGE]
        memory = [cost.memory / 1e6 for cost in costs.values()]
        bottom_left.bar_label(bottom_left.bar(names, memory, color=colors, width=0.6), fmt="%.0f", padding=3)
        bottom_left.set(title="Memory of a step, beside model and optimizer", ylabel="MB at the peak")
        seconds = [1e3 * cost.seconds for cost in costs.values()]
        bottom_right.bar_label(bottom_right.bar(names, seconds, color=colors, width=0.6), fmt="%.0f", padding=3)
        bottom_right.set(title="Time of a step", ylabel="ms, median")
        for axes in (bottom_left, bottom_right):
            axes.grid(axis="x", visible=False)
            axes.margins(y=0.12)
    return figure


# --- all of it --------------------------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=STEPS, help="how long to train")
    parser.add_argument("--out", type=Path, default=Path("build/language_model.png"), help="where the plot goes")
    arguments = parser.parse_args()
    begin = time.perf_counter()

    data = load()
    print(f"{data.train.where.sum():,} tokens to train on, {data.held_out.where.sum():,} held out, ", end="")
    print(f"{data.tokenizer.get_vocab_size()} classes\n", flush=True)

    costs = measure(data, arguments.steps)
    print(f"The training step, {ROWS} x {LENGTH} tokens\n\n{cost_table(costs)}\n", flush=True)

    models, curves = train(data, ["dense", "fused"], arguments.steps)
    losses = held_out(models, data)
    print(f"\nLargest difference of the curves: {largest_gap(curves):.1e} nats\n")
    print(f"Topics held out\n\n{held_out_table(losses)}\n")

    figure = plot(curves, costs, losses)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out, dpi=150)
    print(f"Plot: {arguments.out}\nTime: {time.perf_counter() - begin:.0f} s", flush=True)
    if missed := misses(curves, costs, losses):
        raise SystemExit("Not as promised: " + "; ".join(missed) + ".")


if __name__ == "__main__":
    main()
