"""The decorator of class forms."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

Form = TypeVar("Form", bound=type)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def class_form(cls: Form) -> Form:
    """`@dataclass(frozen=True, kw_only=True)`, which a subclass of a user's has, without the methods that `Value` has.

    To generate them and drop them is a third of what the import of all losses costs.
    """
    return dataclass(frozen=True, kw_only=True, eq=False, repr=False)(cls)


__all__ = ["class_form"]
