"""The names of other libraries, and misspelt ones: the name of the same loss in this library."""

from collections.abc import Sequence
from difflib import get_close_matches

# PyTorch's, Keras', scikit-learn's and common short names; optax's are our own.
_HERE = {
    "bce": "binary_cross_entropy",
    "bce_loss": "binary_cross_entropy",
    "bce_with_logits": "sigmoid_binary_cross_entropy",
    "bce_with_logits_loss": "sigmoid_binary_cross_entropy",
    "binary_cross_entropy_with_logits": "sigmoid_binary_cross_entropy",
    "binary_focal_crossentropy": "sigmoid_focal_loss",
    "brier": "brier_score",
    "brier_score_loss": "brier_score",
    "categorical_focal_crossentropy": "softmax_focal_loss",
    "categorical_generalized_cross_entropy": "generalized_cross_entropy",
    "categorical_hinge": "categorical_hinge_loss",
    "circle": "circle_loss",
    "cosine_similarity": "cosine_distance",  # Keras' class: as a function, the similarity is here
    "crps": "crps_ensemble",
    "crps_normal": "crps_gaussian",
    "cross_entropy": "softmax_cross_entropy_with_integer_labels",
    "cross_entropy_loss": "softmax_cross_entropy_with_integer_labels",
    "ctc": "ctc_loss",
    "dice": "dice_loss",
    "es_ensemble": "energy_score",
    "focal_loss": "softmax_focal_loss",
    "gaussian_nll_loss": "gaussian_nll",
    "hinge": "hinge_loss",
    "huber": "huber_loss",
    "js_div": "js_divergence",
    "kl_div": "kl_divergence",
    "kl_div_loss": "kl_divergence",
    "kld": "kl_divergence",
    "kullback_leibler_divergence": "kl_divergence",
    "l1": "absolute_error",
    "l1_loss": "absolute_error",
    "l2": "l2_loss",
    "linear_cross_entropy": "linear_softmax_cross_entropy",
    "mae": "absolute_error",
    "mae_loss": "absolute_error",
    "mape": "absolute_percentage_error",
    "mean_absolute_error": "absolute_error",
    "mean_absolute_percentage_error": "absolute_percentage_error",
    "mean_pinball_loss": "quantile_loss",
    "mean_squared_error": "squared_error",
    "mean_squared_log_error": "squared_log_error",
    "mean_squared_logarithmic_error": "squared_log_error",
    "mse": "squared_error",
    "mse_loss": "squared_error",
    "msle": "squared_log_error",
    "nll": "nll_loss",
    "pinball": "quantile_loss",
    "pinball_loss": "quantile_loss",
    "poisson": "poisson_nll",
    "poisson_loss": "poisson_nll",
    "poisson_nll_loss": "poisson_nll",
    "quantile_score": "quantile_loss",
    "rps": "ranked_probability_score",
    "rps_score": "ranked_probability_score",
    "sigmoid_cross_entropy": "sigmoid_binary_cross_entropy",
    "smooth_l1": "smooth_l1_loss",
    "sparse_softmax_cross_entropy": "softmax_cross_entropy_with_integer_labels",
    "squared_hinge": "squared_hinge_loss",
    "triplet_margin_with_distance_loss": "triplet_margin_loss",
    "tversky": "tversky_loss",
}
_ALIKE = {name.replace("_", ""): ours for name, ours in _HERE.items()}  # classes too, in any case
_DROP_INS = ("keras", "torch")


def no_name(name: str, public: Sequence[str]) -> str:
    """The message for an attribute that the package does not have."""
    message = f"module 'jaxloss' has no attribute {name!r}"
    if name in _DROP_INS:
        return f"{message}: it is a module to import, as in `import jaxloss.{name}`"
    plain = {p.replace("_", "").lower(): p for p in public if p[0].islower() == name[0].islower()}
    sought = name.replace("_", "").lower()
    meant = plain.get(_ALIKE.get(sought, "").replace("_", ""), plain.get(sought))
    close = [meant] if meant else [plain[p] for p in get_close_matches(sought, plain, 2, 0.75)]
    if not close:
        return message
    drop_in = " PyTorch's and Keras' own names are in jaxloss.torch and jaxloss.keras." if sought in _ALIKE else ""
    return f"{message}: did you mean {' or '.join(close)}?{drop_in}"


__all__ = ["no_name"]
