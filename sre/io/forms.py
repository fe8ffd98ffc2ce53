"""Forms of JSON values: what must be in them, and of which kind.

A form is a type, a text (itself), a tuple of forms (one of them), [form] for a list of it, [form, form] for a list of
just these two, or {name: form}: an object with these names, of which `name?` may be absent; "*" stands for all others.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sre import SreError

Form = Any
NUMBER = (int, float)
NONE = type(None)


def wrong_part(value: object, form: Form, where: str = "") -> str | None:
    """Return what of `value` is not of the form, e.g. "systems.plda.metrics.eer is missing"; None if all of it is."""
    if isinstance(form, tuple):
        found = [wrong_part(value, either, where) for either in form]
        return None if None in found else found[-1]
    if isinstance(form, list) and isinstance(value, list):
        forms = form * len(value) if len(form) == 1 else form
        if len(forms) != len(value):
            return f"{where or 'it'} has {len(value)} values, not {len(forms)}"
        return _first(
            wrong_part(part, inner, f"{where}[{n}]") for n, (part, inner) in enumerate(zip(value, forms, strict=True))
        )
    if isinstance(form, dict) and isinstance(value, dict):
        return _wrong_name(value, form, f"{where}." if where else "")
    if isinstance(form, str):
        return None if value == form else f"{where} is {str(value)[:40]!r}, not {form!r}"
    if isinstance(form, list | dict) or not isinstance(value, form):
        return f"{where or 'it'} is {str(value)[:40]!r}, which is of another kind"
    return None


def _wrong_name(value: dict, form: dict, where: str) -> str | None:
    names = {name.removesuffix("?"): inner for name, inner in form.items() if name != "*"}
    if missing := [name for name in form if name != "*" and not name.endswith("?") and name not in value]:
        return f"{where}{missing[0]} is missing"
    told = (wrong_part(value[name], inner, f"{where}{name}") for name, inner in names.items() if name in value)
    others = ((name, part) for name, part in value.items() if name not in names and "*" in form)
    return _first(told) or _first(wrong_part(part, form["*"], f"{where}{name}") for name, part in others)


def _first(found: Any) -> str | None:
    return next((what for what in found if what), None)


def check_form(where: object, value: Any, form: Form, cure: str) -> Any:
    """Return `value` if it is of the form; raises SreError naming the part that is not."""
    if what := wrong_part(value, form):
        raise SreError(f"{where}: {what}; {cure}")
    return value


def built(kind: type[Any], content: Mapping[str, Any]) -> Any:
    """Return the dataclass `kind` made of the values of its fields; null is the default, other names are left out."""
    names = {one.name for one in fields(kind)}
    return kind(**{name: value for name, value in content.items() if name in names and value is not None})
