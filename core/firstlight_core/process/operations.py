"""Jobs, and the operations of an open one: a name with the type of the request and the type of the reply.

The parent writes `await job.call(CHAT({"messages": …}))`, the child `context.serve([CHAT.by(room.chat), …])`: both sides
are checked against the two types of the constant.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypedDict, TypeVar, cast

RequestT = TypeVar("RequestT")
ReplyT = TypeVar("ReplyT")
Handler = Callable[[Any], Mapping[str, object]]
"""Takes the request of an operation and returns its reply."""


@dataclass(frozen=True, slots=True)
class Job(Generic[RequestT, ReplyT]):
    """A job by the name of its row in `jobs.JOBS`; both types are TypedDicts. An open job has no reply of its own."""

    name: str
    large_pages: bool = False
    """True if its process reads the same memory over and over, and asks the system for large pages (`large_pages`)."""


@dataclass(frozen=True, slots=True)
class Call(Generic[ReplyT]):
    """One call of an operation: its name and the values of its request."""

    op: str
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Operation(Generic[RequestT, ReplyT]):
    """One operation of an open job; both types are TypedDicts."""

    name: str

    def __call__(self, request: RequestT) -> Call[ReplyT]:
        """Return the call that carries this request."""
        return Call(self.name, cast(Mapping[str, object], request))

    def by(self, handler: Callable[[RequestT], ReplyT]) -> tuple[str, Handler]:
        """Return the entry of this operation in the table of `JobContext.serve`."""
        return self.name, cast(Handler, handler)


class Empty(TypedDict):
    """The request or the reply of an operation that carries nothing."""
