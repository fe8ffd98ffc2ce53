"""Forms of JSON values: what must be in them, and of which kind.

A form is a type, a text (itself), a tuple of forms (one of them), [form] for a list of it, [form, form] for a list of
just these two, or {name: form}: an object with these names, of which `name?` may be absent; "*" stands for all others.
"""

from dataclasses import MISSING, fields, is_dataclass
from types import UnionType
from typing import Any, get_args, get_origin

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


def unknown_name(value: object, form: Form, where: str = "") -> str | None:
    """Return the first name in `value`, which is of the form, that the form does not have; None if there is none."""
    if isinstance(form, tuple):
        fit = next((either for either in form if wrong_part(value, either) is None), None)
        return None if fit is None else unknown_name(value, fit, where)
    if isinstance(form, list) and isinstance(value, list):
        forms = form * len(value) if len(form) == 1 else form
        pairs = enumerate(zip(value, forms, strict=True))
        return _first(unknown_name(part, inner, f"{where}[{n}]") for n, (part, inner) in pairs)
    if isinstance(form, dict) and isinstance(value, dict):
        names = {name.removesuffix("?"): inner for name, inner in form.items()}
        inside = f"{where}." if where else ""
        if "*" not in names and (odd := [name for name in value if name not in names]):
            return f"{inside}{odd[0]}"
        known = ((name, part, names.get(name, names.get("*"))) for name, part in value.items())
        return _first(unknown_name(part, inner, f"{inside}{name}") for name, part, inner in known)
    return None


def check_form(where: object, value: Any, form: Form, cure: str) -> Any:
    """Return `value` if it is of the form; raises SreError naming the part that is not."""
    if what := wrong_part(value, form):
        raise SreError(f"{where}: {what}; {cure}")
    return value


def form_of(kind: Any) -> Form:
    """Return the form of an annotation: of a dataclass, an object of its fields.

    A field with a default may be absent, or null. Kinds: dataclasses, list[…], dict[str, …], … | None, Any, types of
    JSON.
    """
    if is_dataclass(kind):
        needed = {one.name: one.default is one.default_factory is MISSING for one in fields(kind)}
        forms = {one.name: form_of(one.type) for one in fields(kind)}
        return {name if needed[name] else f"{name}?": of if needed[name] else (NONE, of) for name, of in forms.items()}
    inside = get_args(kind)
    if isinstance(kind, UnionType):
        return NONE, form_of(inside[0])
    if get_origin(kind) is list:
        return [form_of(inside[0])]
    if get_origin(kind) is dict:
        return {"*": form_of(inside[1])}
    return {float: NUMBER, Any: object}.get(kind, kind)


def built(kind: Any, content: Any) -> Any:
    """Return the value of an annotation, as `form_of` takes or a tuple, made of JSON of its form.

    The names of an object that are no fields of its dataclass are left out; null is the default of a field.
    """
    inside = get_args(kind)
    if content is None:
        return None
    if isinstance(kind, type) and is_dataclass(kind):
        values = {one.name: built(one.type, content.get(one.name)) for one in fields(kind)}
        return kind(**{name: value for name, value in values.items() if value is not None})
    if isinstance(kind, UnionType):
        return built(inside[0], content)
    if get_origin(kind) is list:
        return [built(inside[0], part) for part in content]
    if get_origin(kind) is tuple:
        return tuple(content)
    if get_origin(kind) is dict:
        return {name: built(inside[1], part) for name, part in content.items()}
    return content
