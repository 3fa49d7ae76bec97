"""A spec's dataclass as Gradio components, drawn from the fields' types, help lines, choices and limits."""

import types
import typing
from collections.abc import Collection, Mapping, Sequence
from dataclasses import Field, dataclass, fields
from typing import Any, Generic, TypeVar

import gradio as gr
from gradio.components import Component

from workbench.errors import BadInput
from workbench.specs import Spec

S = TypeVar("S", bound=Spec)

NOTHING = '""'
"""Typed into an optional text field: the empty text itself, where an empty field means “not given”."""


@dataclass(frozen=True)
class Form(Generic[S]):
    """The components of one spec, in the order of `names`; `components` are what events take as inputs."""

    spec: type[S]
    names: tuple[str, ...]
    components: tuple[Component, ...]

    def read(self, values: Sequence[Any], given: Mapping[str, Any] | None = None) -> S:
        """The spec from the components' values and what is `given` beside them. Raises `BadInput` outside a limit."""
        kinds = _kinds(self.spec)
        entered = {name: _parse(name, kinds[name], value) for name, value in zip(self.names, values, strict=True)}
        return self.spec.from_dict({**entered, **(given or {})})

    def show(self, spec: S) -> list[dict[str, Any]]:
        """Updates that put a spec's values into the components."""
        kinds = _kinds(self.spec)
        return [gr.update(value=_shown(kinds[name], getattr(spec, name))) for name in self.names]


def entered(spec: type[Spec], name: str, text: str) -> Any:
    """What was typed into the field `name` of `spec`, as the field's type. Raises `BadInput` where it does not fit.

    Numbers in a list are written with commas.
    """
    hint = typing.get_type_hints(spec).get(name)
    if hint is None:
        raise BadInput(f"{spec.__name__} has no field “{name[:60]}”.")
    if typing.get_origin(hint) is tuple and typing.get_args(hint)[0] is int:
        return tuple(_parse(name, _Kind(int, False), part.strip()) for part in text.split(",") if part.strip())
    kind = _kind(f"{spec.__name__}.{name}", hint)
    if kind.type is bool:
        return text.strip().lower() in ("true", "yes", "1", "on")
    return _parse(name, kind, text)


@dataclass(frozen=True)
class _Kind:
    """A field's plain type, whether it may be None, and whether it is a tuple of texts."""

    type: type
    optional: bool
    many: bool = False


def draw_form(
    spec: type[S],
    prefix: str,
    *,
    skip: Collection[str] = (),
    values: S | None = None,
    choices: Mapping[str, Sequence[str]] | None = None,
) -> Form[S]:
    """Draw the fields of `spec` where it is called, the advanced ones in a closed accordion.

    Element ids are `prefix-field_name`. `choices` overrides a field's choices. Raises `TypeError` on a field of a
    type that has no component.
    """
    kinds = _kinds(spec)
    shown = values or spec()
    items = [item for item in fields(spec) if item.name not in skip]
    plain = [item for item in items if not item.metadata.get("advanced")]
    advanced = [item for item in items if item.metadata.get("advanced")]
    drawn: list[Component] = []

    def draw(item: Field[Any]) -> None:
        listed = (choices or {}).get(item.name, item.metadata.get("choices"))
        drawn.append(_component(item, kinds[item.name], getattr(shown, item.name), f"{prefix}-{item.name}", listed))

    with gr.Row(elem_classes="knobs"):
        for item in plain:
            draw(item)
    if advanced:
        with gr.Accordion("Advanced", open=False, elem_classes="knobs"), gr.Row(elem_classes="knobs"):
            for item in advanced:
                draw(item)
    return Form(spec, tuple(item.name for item in plain + advanced), tuple(drawn))


def _component(item: Field[Any], kind: _Kind, value: Any, elem_id: str, choices: Sequence[Any] | None) -> Component:
    common = {
        "label": item.name.replace("_", " ").capitalize(),
        "info": item.metadata.get("help", ""),
        "value": _shown(kind, value),
        "elem_id": elem_id,
        "interactive": True,
        "min_width": 170,
    }
    if choices is not None:
        listed: list[Any] = [("as the model says", ""), *choices] if kind.optional else list(choices)
        return gr.Dropdown(listed, **common)
    if kind.type is bool:
        return gr.Checkbox(**common)
    if kind.type is int:
        return gr.Number(precision=0, **common)
    if kind.type is float:
        return gr.Number(**common)
    hint = f"not given · type {NOTHING} for none" if kind.optional and not kind.many else None
    return gr.Textbox(placeholder="a, b, c" if kind.many else hint, max_lines=1, **common)


def _kinds(spec: type[Spec]) -> dict[str, _Kind]:
    hints = typing.get_type_hints(spec)
    return {item.name: _kind(f"{spec.__name__}.{item.name}", hints[item.name]) for item in fields(spec)}


def _kind(owner: str, hint: Any) -> _Kind:
    union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    options = [each for each in typing.get_args(hint) if each is not type(None)] if union else [hint]
    optional = union and type(None) in typing.get_args(hint)
    if len(options) == 1 and options[0] in (bool, int, float, str):
        return _Kind(options[0], optional)
    if len(options) == 1 and typing.get_origin(options[0]) is tuple and typing.get_args(options[0])[0] is str:
        return _Kind(str, optional, many=True)
    # Nested specs and mappings have pages of their own; they must be skipped, and are of no use as text.
    return _Kind(object, optional)


def _shown(kind: _Kind, value: Any) -> Any:
    """A field's value as its component holds it."""
    if kind.type is object:
        raise TypeError("a nested field has no component: skip it")
    if value is None:
        return None if kind.type in (int, float) else ""
    if kind.many:
        return ", ".join(value)
    return NOTHING if kind.optional and value == "" else value


def _parse(name: str, kind: _Kind, value: Any) -> Any:
    """A component's value as the field's. Raises `BadInput` on a missing or malformed number."""
    if kind.type is str:
        return _text(kind, str(value or ""))
    if kind.type is bool:
        return bool(value)
    if value is None or value == "":
        if kind.optional:
            return None
        raise BadInput(f"“{name.replace('_', ' ')}” is empty.", "Give a number.")
    try:
        return kind.type(value)
    except (TypeError, ValueError) as error:
        raise BadInput(f"“{name.replace('_', ' ')}” is “{value}”, which is not a number.") from error


def _text(kind: _Kind, value: str) -> Any:
    if kind.many:
        parts = tuple(part.strip() for part in value.split(",") if part.strip())
        return parts or (None if kind.optional else ())
    if not kind.optional:
        return value.strip()
    # Not stripped: the space at the end of “query: ” is part of a prompt.
    return None if value == "" else "" if value.strip() == NOTHING else value
