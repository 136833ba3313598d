"""Every target that an artifact can be deployed to: the caches of Foundry Local, and the exports."""

from firstlight_core.exports.table import EXPORTS

PUBLISHED: dict[str, str] = {
    "foundry": "Copies the model into Foundry Local and asks it.",
    "folder": "A copy for the Foundry CLI up to 0.8 and other programs; nothing asked.",
}
"""The targets that put a copy into a cache, and what each means."""


def deploy_targets() -> tuple[str, ...]:
    """Return every target, the default first."""
    return (*PUBLISHED, *EXPORTS)


def target_words(target: str) -> str:
    """Return what a target means; empty for an unknown one."""
    if target in EXPORTS:
        return EXPORTS[target].words
    return PUBLISHED.get(target, "")


def asks_capacity(target: str) -> bool:
    """Return whether a target needs the size of a server."""
    return target in EXPORTS and EXPORTS[target].options is not None
