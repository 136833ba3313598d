"""Requests and replies of the jobs that look at the machine and fetch models: probe, download."""

from typing import Literal, NotRequired, TypedDict

from firstlight_core.process.operations import Job


class ProbeRequest(TypedDict):
    """One question about the machine."""

    what: Literal["toolchain", "providers", "cpu", "foundry"]


class ToolchainReply(TypedDict):
    """Capabilities of the installed toolchain, found by importing it."""

    bridged: bool
    half: bool
    """Whether FP16 can be made."""
    merge: bool
    """Whether LoRA adapters can be merged."""
    rss_bytes: int


class ProvidersReply(TypedDict):
    """The execution providers of the installed onnxruntime."""

    providers: list[str]


class CpuReply(TypedDict):
    """Brand and instruction sets of the CPU."""

    brand: str
    flags: list[str]
    arch: str


class EmptyReply(TypedDict):
    """A reply that only says that the request was carried out."""


class BandwidthRequest(TypedDict):
    """How the memory bandwidth is measured."""

    threads: int
    array_bytes: int
    """Of each of three arrays, all threads together."""
    seconds: float


class BandwidthReply(TypedDict):
    """The memory bandwidth, measured; the best of several rounds."""

    triad_bytes_per_s: float
    """STREAM's triad: reading and writing."""
    read_bytes_per_s: float


class DownloadRequest(TypedDict):
    """A model to fetch into the Hugging Face cache."""

    id: str
    resume_from: NotRequired[int]
    """Size from which a file's download is resumable."""


class DownloadReply(TypedDict):
    """The fetched model."""

    id: str
    path: str
    bytes: int
    downloaded_bytes: int


ProbeReply = ToolchainReply | ProvidersReply | CpuReply | EmptyReply
PROBE: Job[ProbeRequest, ProbeReply] = Job("probe")
BANDWIDTH: Job[BandwidthRequest, BandwidthReply] = Job("bandwidth")
DOWNLOAD: Job[DownloadRequest, DownloadReply] = Job("download")
