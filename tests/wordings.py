"""One line for each argument that many losses share: every docstring has it word for word, where an editor shows it."""

SHARED = {
    "axis": "The axis of a row, or axes that are taken together; None takes all.",
    "axis_name": "Mesh axes over which numerator and denominator are summed, so that the mean is global.",
    "censored": "True or 1 where the event is only known to lie beyond the target (right-censored).",
    "class_weights": "One weight for each class; 1 by default.",
    "entry": "Times to which survival is a condition of the likelihood, below the targets; 0 is none (left "
    "truncation).",
    "fair": "Whether pairs are averaged without those of a member with itself.",
    "gamma": "How much well-classified examples are turned down; at least 0, where the loss is the cross-entropy.",
    "ignore_index": "A label to leave out: its rows have loss and gradient 0.",
    "label_smoothing": "The share s of each label that goes to 1/2; in [0, 1].",
    "labels": "0, 1 or a probability between them; of the shape of the first argument.",
    "left_censored": "True or 1 where the event is only known to lie before the target.",
    "log_input": "Whether the predictions are log-rates.",
    "logits": "Log-odds; any shape.",
    "pos_weight": "The weight of the positive labels, above 0: a scalar, or one for each class (the last axis).",
    "predictions": "Any shape.",
    "reduce": "Deprecated, as `size_average`.",
    "reduction": '`"mean"`, `"sum"`, `"sum_over_batch_size"` or `"none"`; the table of `reduce` defines them.',
    "scale": "The scales s, above 0, in the units of the predictions: of the shape of `predictions`, with length 1 on "
    "axes where they do not vary, or a scalar.",
    "size_average": "Deprecated; given, it and `reduce` override `reduction`.",
    "targets": "Of the shape of `predictions`; zeros if left out.",
    "upper": "Upper bounds of the events, of the shape of `predictions`: the target itself for an event at it, "
    "infinity for one beyond it, and above a target of 0 for one before the bound. It excludes the two flags.",
    "vocab_axis_name": "Mesh axes over which the classes are spread, inside `shard_map`; see docs/arguments.md.",
    "weights": "Weights of the losses; a shape `[batch]` weighs samples, by the rules of `reduce`.",
    "where": "True where a loss counts; elsewhere loss and gradient are 0, whatever the inputs hold.",
    "z_loss": r"The factor $\zeta$ of the squared log-partition function, which keeps logits small; at least 0.",
}
# The lines for losses over a class axis, which is an axis of the predictions or of the kernel of the last layer.
OVER_CLASSES = {
    "label_smoothing": "The share s of each label that is spread over the K classes; in [0, 1].",
    "log_predictions": "Log-probabilities, `[..., classes]`.",
    "logits": "Unnormalised log-probabilities, `[..., classes]`.",
    "predictions": "Probabilities, `[..., classes]`.",
    "probabilities": "`[..., classes]`, each row of sum 1.",
    "targets": "Probabilities, of the shape of the predictions.",
    "where": "True where a row counts or, in the shape of the first argument, where an element of it does; elsewhere "
    "loss and gradient are 0.",
}
STRICT = frozenset(
    {
        "axis",
        "axis_name",
        "censored",
        "class_weights",
        "ignore_index",
        "label_smoothing",
        "left_censored",
        "reduction",
        "vocab_axis_name",
        "weights",
        "where",
        "z_loss",
    }
)
"""The arguments that mean the same in every loss: their lines are always those of the table."""

# The lines of the drop-ins and of losses that reduce by themselves.
REDUCING = {
    "axis": "The axes to reduce; the default is described above.",
    "reduction": "How the losses become one number, see above.",
    "weights": "The weights w of the items, of the shape of `logits`; 1 by default.",
}
