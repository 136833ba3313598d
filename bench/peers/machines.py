"""The machines that were measured on: figures of one are never set beside those of another without saying so."""

from collections.abc import Sequence
from typing import TypedDict

from firstlight_core.documents.measure import MachineDocument

_NOISE = ("(R)", "(TM)", "(r)", "(tm)", " Processor", " CPU")
"""What makers write into a processor's name that tells nobody which one it is."""
_MATRIX_FLAG = "amx_int8"
"""Intel's matrix unit for 8-bit integers; a name such as "Intel(R) Xeon(R) Processor" does not say whether it is there."""


class MeasuredMachine(TypedDict):
    """One machine with the versions that ran on it."""

    name: str
    """What runs and the page call it; unique in a document."""
    machine: MachineDocument
    llama_cpp: str
    """Package and version of its source, and how it was built."""


def processor_label(cpu: str, flags: Sequence[str]) -> str:
    """Return a processor's name in short, with its matrix unit."""
    for noise in _NOISE:
        cpu = cpu.replace(noise, "")
    label = " ".join(cpu.split())
    return f"{label} with AMX" if _MATRIX_FLAG in flags else label


def find_machine(
    machines: list[MeasuredMachine], machine: MachineDocument, flags: Sequence[str], llama_cpp: str
) -> MeasuredMachine:
    """Return this machine's entry; it is added where nothing was measured on it, or only other versions were."""
    label = processor_label(machine["cpu"], flags)
    wanted: MeasuredMachine = {"name": label, "machine": machine, "llama_cpp": llama_cpp}
    alike = [entry for entry in machines if entry["name"].partition(" #")[0] == label]
    for entry in alike:
        if _facts(entry) == _facts(wanted):
            return entry
    if alike:
        wanted["name"] = f"{label} #{len(alike) + 1}"
    machines.append(wanted)
    return wanted


def machine_line(entry: MeasuredMachine) -> str:
    """Return one sentence on a machine and what ran on it."""
    machine = entry["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    named = f" ({machine['cpu']})" if machine["cpu"] != entry["name"] else ""
    facts = f"{machine['threads']} threads, {machine['memory']}, {machine['system']}"
    return f"**{entry['name']}**{named}, {facts}. {versions}, {entry['llama_cpp']}."


def _facts(entry: MeasuredMachine) -> tuple[object, ...]:
    """What decides speed; a newer kernel of the system does not make it another machine."""
    machine = entry["machine"]
    return machine["threads"], machine["memory"], machine["versions"], entry["llama_cpp"]
