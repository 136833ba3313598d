"""`python -m firstlight_dev notices`: the licences of everything that `firstlight[all]` brings, as installed here."""

import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

LICENCE_NAMES = ("licen", "copying", "notice")


def closure(name: str, extras: frozenset[str]) -> list[metadata.Distribution]:
    """The installed distributions that one needs, itself left out, by name."""
    found: dict[str, metadata.Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    left = [(name, extras)]
    while left:
        name, extras = left.pop()
        key = name.lower().replace("_", "-")
        if (key, extras) in seen:
            continue
        seen.add((key, extras))
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        found[key] = distribution
        for requirement in map(Requirement, distribution.requires or []):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": e}) for e in extras | {""}):
                left.append((requirement.name, frozenset(requirement.extras)))
    found.pop("firstlight", None)
    return [found[key] for key in sorted(found)]


def licence_of(distribution: metadata.Distribution) -> str:
    """The licence in a word, as the distribution's metadata names it."""
    fields = distribution.metadata
    if expression := fields.get_all("License-Expression"):
        return str(expression[0])
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in fields.get_all("Classifier") or []
        if line.startswith("License :: ")
    ]
    words = " ".join(map(str, fields.get_all("License") or [])).strip().splitlines()
    return ", ".join(classifiers) or (words[0] if words else "not declared in its metadata")


def licence_texts(distribution: metadata.Distribution) -> list[str]:
    """The texts of its licence files, each once."""
    texts = []
    for path in distribution.files or []:
        if any(word in path.name.lower() for word in LICENCE_NAMES) and not path.name.endswith(
            ".py"
        ):
            try:
                text = Path(str(path.locate())).read_text("utf-8", "replace").strip()
            except OSError:
                continue
            if text and text not in texts:
                texts.append(text)
    return texts


def notices() -> str:
    """One section for each distribution: name, version, licence, texts."""
    parts = ["Third-party software that firstlight[all] uses. Each part keeps its own licence."]
    for distribution in closure("firstlight", frozenset({"all"})):
        head = f"{distribution.metadata['Name']} {distribution.version}: {licence_of(distribution)}"
        parts.append("\n\n".join([f"{'=' * 100}\n{head}", *licence_texts(distribution)]))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.stdout.write(notices())
