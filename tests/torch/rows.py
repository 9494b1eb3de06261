"""The rows of `jaxloss.torch`."""

from dataclasses import replace

import numpy as np

import jaxloss.torch as ours
from jaxloss.torch import functional as F
from tests import cases
from tests.cases import BITS, COUNTS, LOG_ODDS, LOG_RATES, LOGITS, MASSES, RATES, REALS, SIGNS, Domain
from tests.dropins.rows import ignoring, second
from tests.torch.peer import LayerRow, TorchRow, log_softmax, numbers, signs, symbols, taxicab, truncated

ELEMENTS = {"input": REALS.over("...d"), "target": REALS.over("...d")}
WEIGHT = Domain(lambda rng, shape, sizes: rng.uniform(0.2, 2, shape).astype(np.float32), "...d")
ODD_SHAPE = np.ones(3, np.float32)
BAD_WEIGHT = {"weight": (ODD_SHAPE, "heavy", -np.ones((2, 2, 2), np.float32))}
ANY_COUNT = replace(COUNTS, axes="...d", tolerated=True)
COUNTED = {"input": LOG_RATES.over("...d"), "target": ANY_COUNT}
OF_RATES = {"input": RATES.over("...d"), "target": ANY_COUNT}
FULLY = {"target": COUNTS.over("...d")}
CERTAIN = Domain(cases.choice(lambda: [0, 1, 1e-13, 1e-30, 1 - 2**-24]), "...d")
LIKELY = {"input": replace(cases.PROBABILITIES, axes="...d"), "target": BITS.over("...d")}
ODDS = {"input": LOG_ODDS.over("...d"), "target": replace(BITS, axes="...d", tolerated=True)}
CLASSED = {"input": LOGITS, "target": ignoring(0)}
GRIDDED = {"input": second(LOGITS, "...cde"), "target": ignoring(0.3).over("...de")}
TARGETS = replace(MASSES, tolerated=True)
DISTRIBUTED = {"input": LOGITS, "target": TARGETS}
LOGGED = {"input": cases.LOG_DISTRIBUTIONS, "target": ignoring(0.4)}
DIVERGING = {"input": cases.LOG_DISTRIBUTIONS, "target": MASSES}
CLASS_WEIGHTS = replace(WEIGHT, axes="c")
BAD_CLASSES = {"weight": (ODD_SHAPE, "heavy"), "ignore_index": (0.5, "pad")}
GAUSSIAN = {**ELEMENTS, "var": RATES.over("...d")}
SEQUENCES = {
    "log_probs": Domain(log_softmax, "tnc"),
    "targets": symbols(),
    "input_lengths": numbers(9, 8, 9),
    "target_lengths": numbers(4, 0, 2),
}
ALONE = {
    "log_probs": SEQUENCES["log_probs"].over("tc"),
    "targets": symbols().over("s"),
    "input_lengths": replace(numbers(8), axes=""),
    "target_lengths": replace(numbers(3), axes=""),
}
PAIRED = {"input1": REALS.over("...d"), "input2": REALS.over("...d"), "target": SIGNS.over("...d")}
SIDES = {"input": REALS.over("...d"), "target": signs("...d")}
VECTORS = {"input1": REALS.over("...d"), "input2": REALS.over("...d"), "target": signs("...")}
TRIPLES = {"anchor": REALS.over("...d"), "positive": REALS.over("...d"), "negative": REALS.over("...d")}
SCORED = {"input": LOGITS, "target": cases.LABELS}
LISTED = {"input": LOGITS, "target": truncated()}
TAGGED = {"input": LOGITS, "target": BITS.over("...c")}
LAYER = {"input": REALS.over("...d"), "linear_weight": REALS.over("cd"), "target": ignoring(0.4)}
LAYERS = {"input": REALS.over("...d"), "linear_weight": REALS.over("ced"), "target": ignoring(0.3).over("...e")}
BAD_MARGIN = {"margin": ("wide", ODD_SHAPE)}
BAD_CTC = {"blank": (9, -1, 0.5), "zero_infinity": ("yes", 2)}
SMOOTH = {"label_smoothing": 0.15}

ROWS = [
    TorchRow(F.l1_loss, ours.L1Loss, ELEMENTS, {"weight": WEIGHT}, BAD_WEIGHT),
    TorchRow(F.l1_loss, ours.L1Loss, ELEMENTS),
    TorchRow(F.mse_loss, ours.MSELoss, ELEMENTS, {"weight": WEIGHT}, BAD_WEIGHT),
    TorchRow(F.mse_loss, ours.MSELoss, ELEMENTS),
    TorchRow(F.smooth_l1_loss, ours.SmoothL1Loss, ELEMENTS, {"beta": 2.5}, {"beta": (-1.0, "some", ODD_SHAPE)}),
    TorchRow(F.smooth_l1_loss, ours.SmoothL1Loss, ELEMENTS, {"beta": 0.0}, name="sharp"),
    TorchRow(F.smooth_l1_loss, ours.SmoothL1Loss, ELEMENTS),
    TorchRow(F.huber_loss, ours.HuberLoss, ELEMENTS, {"delta": 0.7}, {"delta": (0.0, -1.0, "wide", ODD_SHAPE)}),
    TorchRow(F.huber_loss, ours.HuberLoss, ELEMENTS, {"delta": 0.7, "weight": WEIGHT}, BAD_WEIGHT),
    TorchRow(F.huber_loss, ours.HuberLoss, ELEMENTS),
    TorchRow(F.poisson_nll_loss, ours.PoissonNLLLoss, COUNTED),
    TorchRow(F.poisson_nll_loss, ours.PoissonNLLLoss, COUNTED | FULLY, {"full": True}, {"full": ("exact", 2, None)}),
    TorchRow(F.poisson_nll_loss, ours.PoissonNLLLoss, OF_RATES, {"log_input": False}, {"log_input": ("yes", 3)}),
    TorchRow(
        F.poisson_nll_loss,
        ours.PoissonNLLLoss,
        OF_RATES | FULLY,
        {"log_input": False, "full": True, "eps": 0.05},
        {"eps": (-1.0, "small")},
    ),
    TorchRow(F.binary_cross_entropy, ours.BCELoss, LIKELY),
    TorchRow(
        F.binary_cross_entropy,
        ours.BCELoss,
        {**LIKELY, "target": cases.SOFT_BITS.over("...d")},
        {"weight": WEIGHT.over("d")},
        BAD_WEIGHT,
    ),
    TorchRow(F.binary_cross_entropy, ours.BCELoss, {"input": CERTAIN, "target": CERTAIN}, name="certain"),
    TorchRow(F.binary_cross_entropy_with_logits, ours.BCEWithLogitsLoss, ODDS),
    TorchRow(
        F.binary_cross_entropy_with_logits,
        ours.BCEWithLogitsLoss,
        {**ODDS, "target": replace(cases.SOFT_BITS, axes="...d", tolerated=True)},
        {"weight": WEIGHT.over("...u"), "pos_weight": WEIGHT.over("d")},
        {**BAD_WEIGHT, "pos_weight": (ODD_SHAPE, "heavy")},
    ),
    TorchRow(
        F.binary_cross_entropy_with_logits,
        ours.BCEWithLogitsLoss,
        {**ODDS, "target": REALS.over("...d")},
        {"pos_weight": WEIGHT.over("")},
        name="any target",
    ),
    TorchRow(F.cross_entropy, ours.CrossEntropyLoss, CLASSED),
    TorchRow(
        F.cross_entropy,
        ours.CrossEntropyLoss,
        {**CLASSED, "target": ignoring(0.4)},
        {"weight": CLASS_WEIGHTS},
        {"weight": (ODD_SHAPE, "heavy")},
    ),
    TorchRow(F.cross_entropy, ours.CrossEntropyLoss, {**CLASSED, "target": ignoring(0.4)}, SMOOTH, cases.BAD_SMOOTHING),
    TorchRow(
        F.cross_entropy,
        ours.CrossEntropyLoss,
        {**CLASSED, "target": ignoring(0.4, 2)},
        {**SMOOTH, "ignore_index": 2, "weight": CLASS_WEIGHTS},
        {"ignore_index": (0.5, "pad")},
        thorough=True,
    ),
    TorchRow(
        F.cross_entropy, ours.CrossEntropyLoss, GRIDDED, {**SMOOTH, "weight": CLASS_WEIGHTS}, batch=(3,), single=False
    ),
    TorchRow(F.cross_entropy, ours.CrossEntropyLoss, CLASSED, {"weight": CLASS_WEIGHTS}, batch=(), name="single"),
    TorchRow(F.cross_entropy, ours.CrossEntropyLoss, DISTRIBUTED),
    TorchRow(
        F.cross_entropy,
        ours.CrossEntropyLoss,
        {"input": second(LOGITS, "...cd"), "target": second(TARGETS, "...cd")},
        {**SMOOTH, "weight": CLASS_WEIGHTS},
        batch=(3,),
        single=False,
        name="distributions",
    ),
    TorchRow(F.cross_entropy, ours.CrossEntropyLoss, DISTRIBUTED, batch=(), name="a distribution"),
    LayerRow(F.linear_cross_entropy, ours.LinearCrossEntropyLoss, LAYER),
    LayerRow(
        F.linear_cross_entropy,
        ours.LinearCrossEntropyLoss,
        {**LAYER, "target": ignoring(0.4, 2), "linear_bias": REALS.over("c")},
        {**SMOOTH, "ignore_index": 2, "weight": CLASS_WEIGHTS},
        {**cases.BAD_SMOOTHING, "ignore_index": (0.5, "pad"), "weight": (ODD_SHAPE, "heavy")},
        thorough=True,
    ),
    LayerRow(
        F.linear_cross_entropy,
        ours.LinearCrossEntropyLoss,
        {**LAYERS, "linear_bias": REALS.over("ce")},
        {**SMOOTH, "weight": CLASS_WEIGHTS},
        batch=(3,),
        single=False,
        name="places",
    ),
    LayerRow(
        F.linear_cross_entropy,
        ours.LinearCrossEntropyLoss,
        {**LAYER, "target": ignoring(0)},
        {**SMOOTH, "weight": CLASS_WEIGHTS},
        batch=(),
        name="single",
    ),
    LayerRow(
        F.linear_cross_entropy,
        ours.LinearCrossEntropyLoss,
        {**LAYER, "target": TARGETS, "linear_bias": REALS.over("c")},
        {**SMOOTH, "weight": CLASS_WEIGHTS},
        name="distributions",
    ),
    LayerRow(
        F.linear_cross_entropy,
        ours.LinearCrossEntropyLoss,
        {**LAYERS, "target": second(TARGETS, "...ce")},
        batch=(3,),
        single=False,
        name="distributions at places",
    ),
    TorchRow(F.nll_loss, ours.NLLLoss, {**LOGGED, "target": ignoring(0)}),
    TorchRow(F.nll_loss, ours.NLLLoss, LOGGED, {"weight": CLASS_WEIGHTS}, BAD_CLASSES),
    TorchRow(
        F.nll_loss,
        ours.NLLLoss,
        {"input": second(cases.LOG_DISTRIBUTIONS, "...cde"), "target": ignoring(0).over("...de")},
        {"ignore_index": 1, "weight": CLASS_WEIGHTS},
        batch=(3,),
        single=False,
    ),
    TorchRow(F.nll_loss, ours.NLLLoss, {**LOGGED, "target": ignoring(0)}, batch=(), name="single"),
    TorchRow(F.hinge_embedding_loss, ours.HingeEmbeddingLoss, SIDES),
    TorchRow(F.hinge_embedding_loss, ours.HingeEmbeddingLoss, SIDES, {"margin": 2.5}, BAD_MARGIN),
    TorchRow(F.soft_margin_loss, ours.SoftMarginLoss, SIDES),
    TorchRow(F.margin_ranking_loss, ours.MarginRankingLoss, PAIRED),
    TorchRow(F.margin_ranking_loss, ours.MarginRankingLoss, PAIRED, {"margin": 0.7}, BAD_MARGIN),
    TorchRow(
        F.margin_ranking_loss, ours.MarginRankingLoss, {**PAIRED, "target": signs("...d")}, batch=(), name="single"
    ),
    TorchRow(F.multi_margin_loss, ours.MultiMarginLoss, SCORED),
    TorchRow(
        F.multi_margin_loss,
        ours.MultiMarginLoss,
        SCORED,
        {"p": 2, "margin": 0.4, "weight": CLASS_WEIGHTS},
        {"p": (0, 3, 1.5, "two"), **BAD_MARGIN, "weight": (ODD_SHAPE, "heavy")},
    ),
    TorchRow(F.multi_margin_loss, ours.MultiMarginLoss, SCORED, {"weight": CLASS_WEIGHTS}, batch=(), name="single"),
    TorchRow(F.multilabel_margin_loss, ours.MultiLabelMarginLoss, LISTED),
    TorchRow(F.multilabel_margin_loss, ours.MultiLabelMarginLoss, LISTED, batch=(), name="single"),
    TorchRow(F.multilabel_soft_margin_loss, ours.MultiLabelSoftMarginLoss, TAGGED),
    TorchRow(
        F.multilabel_soft_margin_loss,
        ours.MultiLabelSoftMarginLoss,
        {**TAGGED, "target": cases.SOFT_BITS.over("...c")},
        {"weight": CLASS_WEIGHTS},
        {"weight": (ODD_SHAPE, "heavy")},
        batch=(3, 4),
    ),
    TorchRow(F.multilabel_soft_margin_loss, ours.MultiLabelSoftMarginLoss, TAGGED, batch=(), name="single"),
    TorchRow(F.cosine_embedding_loss, ours.CosineEmbeddingLoss, VECTORS),
    TorchRow(
        F.cosine_embedding_loss,
        ours.CosineEmbeddingLoss,
        VECTORS,
        {"margin": -0.4},
        {"margin": (-1.5, 2.0, "wide", ODD_SHAPE)},
    ),
    TorchRow(F.cosine_embedding_loss, ours.CosineEmbeddingLoss, VECTORS, batch=(), name="single"),
    TorchRow(F.triplet_margin_loss, ours.TripletMarginLoss, TRIPLES),
    TorchRow(
        F.triplet_margin_loss,
        ours.TripletMarginLoss,
        TRIPLES,
        {"margin": 0.7, "p": 3.0, "eps": 0.25, "swap": True},
        {"margin": (-1.0, "wide", ODD_SHAPE), "p": (0, -1.0, "two"), "eps": ("small",), "swap": ("yes", 2)},
    ),
    TorchRow(F.triplet_margin_with_distance_loss, ours.TripletMarginWithDistanceLoss, TRIPLES),
    TorchRow(
        F.triplet_margin_with_distance_loss,
        ours.TripletMarginWithDistanceLoss,
        TRIPLES,
        {"distance_function": taxicab, "margin": 0.7, "swap": True},
        {"distance_function": ("taxicab", 2.0), "margin": (-1.0, "wide", ODD_SHAPE), "swap": ("yes", 2)},
    ),
    TorchRow(F.kl_div, ours.KLDivLoss, DIVERGING, batch=(3, 4)),
    TorchRow(
        F.kl_div,
        ours.KLDivLoss,
        {**DIVERGING, "target": cases.LOG_DISTRIBUTIONS},
        {"log_target": True},
        {"log_target": ("yes", 2, None)},
        batch=(3, 4),
    ),
    TorchRow(F.gaussian_nll_loss, ours.GaussianNLLLoss, GAUSSIAN),
    TorchRow(
        F.gaussian_nll_loss,
        ours.GaussianNLLLoss,
        {**GAUSSIAN, "var": RATES},
        {"full": True},
        {"full": ("exact", 2)},
    ),
    TorchRow(
        F.gaussian_nll_loss,
        ours.GaussianNLLLoss,
        {**GAUSSIAN, "var": RATES.over("...u")},
        {"full": True, "eps": 0.9},
        {"eps": (-1.0, "small")},
    ),
    TorchRow(
        F.gaussian_nll_loss, ours.GaussianNLLLoss, {**GAUSSIAN, "var": RATES.over("ud")}, single=False, name="one var"
    ),
    TorchRow(F.ctc_loss, ours.CTCLoss, SEQUENCES),
    TorchRow(F.ctc_loss, ours.CTCLoss, ALONE, sizes={"s": 3}, single=False, name="single"),
    TorchRow(
        F.ctc_loss,
        ours.CTCLoss,
        # The first sequence has fewer frames than labels.
        {**SEQUENCES, "targets": symbols(2), "input_lengths": numbers(3, 8, 9)},
        {"blank": 2, "zero_infinity": True},
        BAD_CTC,
        name="blank",
    ),
]
