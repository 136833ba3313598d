"""The chat template itself (Jinja) as it is being edited: where its text comes from, its syntax, how it is written."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from firstlight_core.documents.template import WrittenChatTemplate
from firstlight_core.errors import CheckFailed
from firstlight_core.text import one_line, visible
from firstlight_tui.state.workspace import Workspace

if TYPE_CHECKING:
    from firstlight_core.template.chat_template import SyntaxProblem

SOURCE = "source"
"""Key of the source model's own template, among the families."""


@dataclass(frozen=True, slots=True)
class SyntaxLook:
    """The syntax check of a chat template."""

    lines: int
    problem: "SyntaxProblem | None" = None
    doubts: tuple[str, ...] = ()
    """Doubts to check, one sentence each."""


class ChatTemplateEditing:
    """One artifact's chat template; what was typed stays in the workspace until it is written."""

    def __init__(self, workspace: Workspace, artifact: Path, source: Path | None) -> None:
        self._workspace = workspace
        self._artifact = artifact
        self.source = source
        self._differing = ""
        """The text whose differences were shown; writing it once more accepts them."""
        self._altered = ""
        """The visible form of a template whose characters cannot all be shown; empty for any other."""

    @property
    def draft(self) -> str | None:
        """The text that was typed before for this artifact."""
        draft = self._workspace.drafts.chat_template
        return draft[1] if draft is not None and draft[0] == str(self._artifact) else None

    def remember(self, text: str) -> None:
        """Keep what is typed."""
        self._workspace.drafts.chat_template = (str(self._artifact), text)

    async def read(self) -> str | None:
        """Return the artifact's chat template as it can be shown; None without one.

        Raises:
            FirstlightError: it cannot be read.
        """
        text = await self._read(self._artifact)
        if text is None:
            return None
        # A terminal would obey what `visible` replaces; such a template is shown, and not written back so.
        shown = visible(text)
        self._altered = shown if shown != text else ""
        return shown

    async def read_source(self) -> str | None:
        """Return the source model's chat template as it can be shown; None without one.

        Raises:
            FirstlightError: it cannot be read.
        """
        text = await self._read(self.source) if self.source is not None else None
        return None if text is None else visible(text)

    async def _read(self, folder: Path) -> str | None:
        return await asyncio.to_thread(self._workspace.services.read_chat_template, folder)

    def families(self) -> list[tuple[str, str, str]]:
        """Return key, label and source of every family, the source model's own template first."""
        from firstlight_core.template.presets import PRESETS

        rows = [(preset.key, preset.label, preset.source) for preset in PRESETS]
        if self.source is None:
            return rows
        return [(SOURCE, "The source model's own", one_line(self.source.name, 80)), *rows]

    def family_text(self, key: str) -> str:
        """Return the chat template of a family."""
        from firstlight_core.template.family import family_chat_template
        from firstlight_core.template.presets import find_preset

        return family_chat_template(find_preset(key))

    async def look(self, text: str) -> SyntaxLook:
        """Say where the syntax breaks, or what a reader should doubt."""
        from firstlight_core.template.chat_template import syntax_problem, template_doubts

        lines = text.count("\n") + 1
        problem = await asyncio.to_thread(syntax_problem, text)
        if problem is not None:
            return SyntaxLook(lines, problem)
        return SyntaxLook(lines, doubts=tuple(await asyncio.to_thread(template_doubts, text)))

    def is_altered(self, text: str) -> bool:
        """Return whether this is the shown form of a template that cannot be shown as it is."""
        return text == self._altered

    async def write(self, text: str) -> WrittenChatTemplate:
        """Prove the template in both renderers and write it; a second try of the same text accepts the differences.

        Raises:
            CheckFailed: the renderers differ, and nobody has accepted that yet.
            FirstlightError: it cannot be written.
        """
        try:
            written = await self._workspace.services.settle_chat_template(
                self._artifact, text, force=self._differing == text
            )
        except CheckFailed:
            self._differing = text
            raise
        self._workspace.drafts.chat_template = None
        return written
