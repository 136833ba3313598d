"""The job that tests of the runner start: its request and its reply."""

from typing import Literal, Required, TypedDict

from firstlight_core.process.operations import Job

Act = Literal[
    "count",
    "refuse",
    "hang",
    "spawn",
    "endless",
    "flood",
    "crash",
    "leave",
    "garbage",
    "noise",
    "connect",
    "serve",
]


class SelftestRequest(TypedDict, total=False):
    """The request of the self-test job."""

    act: Required[Act]
    total: int
    """For `count`: how far to count."""
    stubborn: bool
    """For `spawn`: whether the grandchild ignores SIGTERM."""
    code: int
    """For `leave`: the exit code."""
    lines: int
    """For `flood`: the number of log lines."""
    host: str
    """For `connect`: the host to reach."""
    resolve: bool


class SelftestReply(TypedDict, total=False):
    """The result of the acts that have one."""

    counted: int


SELFTEST: Job[SelftestRequest, SelftestReply] = Job("selftest")
