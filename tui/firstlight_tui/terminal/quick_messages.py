"""Messages whose handlers are called without what serves debugging only: a step that comes handles 1,500 of them.

Textual 8 makes two loggers for each message, to say so to a console that is not there, and reads the signature of each function
that it calls. Measured alone (2026-11-30, in turns): without this module a step takes 10 to 14 % more processor time to
come, and from key to redraw p95 is 12 % (4 to 17 %) higher while a model loads; p99 is 13 % higher, in a walk 15 %, both uncertain.
"""

import os
from collections.abc import Callable
from inspect import CO_VARARGS, CO_VARKEYWORDS, isawaitable
from types import FunctionType, MethodType
from typing import Any, cast

from textual import _callback
from textual._callback import count_parameters
from textual.message import Message
from textual.message_pump import MessagePump

_count_by_signature = _callback._count_parameters


async def _handle(pump: MessagePump, message: Message) -> None:
    """Take the place of `MessagePump._on_message`."""
    # Textual's type says that every handler takes the message.
    handlers: Any = pump._get_dispatch_methods(message.handler_name, message)
    for _, method in handlers:
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
    pumps._on_message = _handle
