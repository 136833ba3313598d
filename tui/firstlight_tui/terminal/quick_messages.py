"""Messages that find their handlers without a search: a step that comes handles 1,500 of them.

Textual 8 looks through all classes of a widget for each message, makes two loggers to say so to a console that is not there,
and reads the signature of each function that it calls: a seventh of what a step took to open. Which handlers there are depends
on the type of the widget and of the message alone.
"""

import os
from collections.abc import Callable, Iterator
from inspect import CO_VARARGS, CO_VARKEYWORDS, isawaitable
from types import FunctionType, MethodType
from typing import Any, cast

from textual import _callback
from textual._callback import count_parameters
from textual._on import OnNoWidget
from textual.css.match import match
from textual.css.model import SelectorSet
from textual.message import Message
from textual.message_pump import MessagePump
from textual.widget import Widget

Selectors = dict[str, tuple[SelectorSet, ...]]
Handler = tuple[type, Any, Selectors | None]
"""The class that has it, the function as the class holds it, and the widgets it is for; None if it is named after the
message."""
_known: dict[tuple[type, type[Message], str], tuple[Handler, ...]] = {}
"""The handlers of each type of widget for each type of message that has come."""
_count_by_signature = _callback._count_parameters
_search = MessagePump._get_dispatch_methods


def _handlers(pump: type, message: type[Message], name: str) -> tuple[Handler, ...]:
    """Return all that may handle such a message, in the order of the classes."""
    if (known := _known.get((pump, message, name))) is not None:
        return known
    kinds = [kind for kind in message.__mro__ if issubclass(kind, Message)]
    handlers: list[Handler] = []
    for owner in pump.__mro__:
        decorated = owner.__dict__.get("_decorated_handlers") or {}
        for kind in kinds:
            handlers += [
                (owner, method, selectors or {}) for method, selectors in decorated.get(kind, ())
            ]
        named = owner.__dict__.get(f"_{name}") or owner.__dict__.get(name)
        if named is not None and not getattr(named, "_textual_on", None):
            handlers.append((owner, named, None))
    return _known.setdefault((pump, message, name), tuple(handlers))


def _bound(
    pump: MessagePump, name: str, message: Message
) -> Iterator[tuple[type, Callable[..., Any]]]:
    """Take the place of `MessagePump._get_dispatch_methods`."""
    called: set[object] = set()
    newest: type | None = None
    for owner, method, selectors in _handlers(type(pump), type(message), name):
        if owner is not newest:
            if message._no_default_action:
                return
            newest = owner
        if selectors is not None:
            if method in called or not (not selectors or _meant(message, selectors)):
                continue
            called.add(method)
        yield owner, method.__get__(pump, owner)


def _meant(message: Message, selectors: Selectors) -> bool:
    """Return whether the widgets that a message names are those that a handler is for."""
    if not message._sender:
        return False
    for attribute, selector in selectors.items():
        node = getattr(message, attribute)
        if node is None:
            return False
        if not isinstance(node, Widget):
            raise OnNoWidget(f"{attribute!r} of a message with a selector is not a widget")
        if not match(selector, node):
            return False
    return True


async def _handle(pump: MessagePump, message: Message) -> None:
    """Take the place of `MessagePump._on_message`."""
    for _, method in _bound(pump, message.handler_name, message):
        result = method(message) if count_parameters(method) else method()
        if isawaitable(result):
            await result
    if message.bubble and (parent := pump._parent) and not message._stop_propagation:
        if message._sender is not None and message._sender == parent:
            message.stop()
        if pump.is_parent_active and pump.is_attached:
            message._bubble_to(parent)


def _count(function: Callable[..., Any]) -> int:
    """Take the place of `textual._callback._count_parameters`, which reads the signature."""
    if isinstance(function, MethodType):
        return _count(function.__func__) - 1
    if not isinstance(function, FunctionType) or function.__dict__.keys() & _OTHER_SIGNATURES:
        return _count_by_signature(function)
    code = function.__code__
    more = bool(code.co_flags & CO_VARARGS) + bool(code.co_flags & CO_VARKEYWORDS)
    return code.co_argcount + code.co_kwonlyargcount + more


_OTHER_SIGNATURES = {"__wrapped__", "__signature__"}


def install() -> None:
    """Handle all later messages this way, unless somebody watches them on Textual's console or in its log."""
    if os.environ.get("TEXTUAL") or os.environ.get("TEXTUAL_LOG"):
        return
    callbacks, pumps = cast(Any, _callback), cast(Any, MessagePump)
    callbacks._count_parameters = _count
    pumps._get_dispatch_methods = _bound
    pumps._on_message = _handle
