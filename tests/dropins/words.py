"""The words of a drop-in's errors: the name of what was called, and no argument that only the native losses have."""

import inspect
import re

import jaxloss

NATIVE = {
    parameter
    for name in jaxloss.__all__
    if inspect.isfunction(f := getattr(jaxloss, name))
    for parameter in inspect.signature(f).parameters
}
AS_AN_ARGUMENT = r"{}(?: must| may|=| \(\d|\.$)|(?:by|with|give|as|use|an?) {}\b"
"""How a message speaks of an argument whose name is a word of the language too."""
WORDS = {"labels", "mode", "where", "weights"}
OF_THE_FIELD = {"axis", "loss", "losses"}


def in_own_words(message, row, name, what=""):
    """Asserts that the message begins with the name and has no argument of a native loss that the drop-in lacks."""
    own = {*inspect.signature(row.fn).parameters, *inspect.signature(row.form).parameters, "sample_weight", "mask"}
    patterns = {
        word: AS_AN_ARGUMENT.replace("{}", word) if word in WORDS else rf"\b{word}\b"
        for word in NATIVE - own - OF_THE_FIELD
    }
    foreign = {word for word, pattern in patterns.items() if re.search(pattern, message)}
    assert message.startswith(f"{name}: "), (what, message)
    assert not foreign, (what, foreign, message)
