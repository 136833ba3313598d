"""Every document of the command line and every file of Firstlight's own, with its types.

A row of `VERBS` is one verb with the documents that it prints with `--json`. `python -m
firstlight_core.documents.registry docs/schemas` writes the schema of every row.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from firstlight_core.documents.artifact import InferenceModel, Manifest
from firstlight_core.documents.comparison import ComparisonDocument
from firstlight_core.documents.conversion import (
    ConversionDocument,
    DryRunDocument,
    RestoredDocument,
)
from firstlight_core.documents.deploy import (
    AnsweredDocument,
    ExportDocument,
    PublishedDocument,
    RemovedDocument,
    VerifyDocument,
)
from firstlight_core.documents.environment import DoctorVerb
from firstlight_core.documents.foundry import (
    BackgroundDocument,
    ExaminationDocument,
    MovedCacheDocument,
    RunningDocument,
    ServiceDocument,
    StoppedDocument,
)
from firstlight_core.documents.glossary import GlossaryDocument
from firstlight_core.documents.history import (
    ExportedHistory,
    HistoryDocument,
    RecordDocument,
)
from firstlight_core.documents.inference import ChatDocument, ConnectDocument
from firstlight_core.documents.measure import BenchDocument, QualitiesVerb, QualityVerb
from firstlight_core.documents.model import InspectDocument
from firstlight_core.documents.report import ReportDocument
from firstlight_core.documents.run_file import RunFile
from firstlight_core.documents.schema import DIALECT, Schema, SchemaWriter, document_schema
from firstlight_core.documents.settings_file import SettingsFile
from firstlight_core.documents.template import (
    BareRestoredTemplate,
    RestoredTemplate,
    SettledTemplate,
    TemplateCheck,
)
from firstlight_core.documents.tuning import (
    PublishedTuningDocument,
    ResetDocument,
    TunedArtifactDocument,
    TunedSourceDocument,
)
from firstlight_core.documents.upkeep import (
    CleanDocument,
    PathsDocument,
    ReportVerb,
    RunsDocument,
)
from firstlight_core.documents.verb import ALWAYS, FailedVerb, VerbDocument
from firstlight_core.documents.workflow import RunDocument
from firstlight_core.errors import ErrorDocument

VERBS: Mapping[str, Sequence[type]] = {
    "doctor": (DoctorVerb,),
    "inspect": (InspectDocument,),
    "convert": (ConversionDocument, DryRunDocument, RestoredDocument),
    "template": (
        TemplateCheck,
        SettledTemplate,
        RestoredTemplate,
        BareRestoredTemplate,
    ),
    "deploy": (
        PublishedDocument,
        AnsweredDocument,
        ExportDocument,
        RemovedDocument,
        ExaminationDocument,
        MovedCacheDocument,
    ),
    "serve": (ServiceDocument, BackgroundDocument, RunningDocument, StoppedDocument),
    "tune": (TunedArtifactDocument, TunedSourceDocument, PublishedTuningDocument, ResetDocument),
    "report": (ReportVerb,),
    "run": (RunDocument,),
    "runs": (RunsDocument,),
    "clean": (CleanDocument,),
    "verify": (VerifyDocument,),
    "paths": (PathsDocument,),
    "glossary": (GlossaryDocument,),
    "chat": (ChatDocument,),
    "bench": (BenchDocument,),
    "history": (HistoryDocument, RecordDocument, ExportedHistory),
    "compare": (ComparisonDocument,),
    "quality": (QualityVerb, QualitiesVerb),
    "connect": (ConnectDocument,),
}
"""Verb → the documents that it prints with `--json` when it does not fail."""

FILES: Mapping[str, type] = {
    "manifest": Manifest,
    "inference_model": InferenceModel,
    "run.toml": RunFile,
    "settings.toml": SettingsFile,
    "report": ReportDocument,
}
"""Name of a file that Firstlight writes → what it holds."""


def verb_schema(verb: str) -> Schema:
    """Return the schema of what a verb prints with `--json`, a failure included."""
    writer = SchemaWriter()
    envelope = writer.object_schema(VerbDocument)["properties"]
    # Every document that says no says why.
    envelope["error"] = writer.schema(ErrorDocument)
    head: Schema = {"const": f"firstlight/{verb}/1"}
    always: dict[str, Schema] = {
        key: {"description": "Always there; null or empty when there is none."}
        for key in ALWAYS.get(verb, {})
    }
    variants: list[Schema] = [writer.schema(FailedVerb)]
    for document in VERBS[verb]:
        variants.insert(-1, writer.schema(document))
    return {
        "$schema": DIALECT,
        "$id": f"firstlight/{verb}/1",
        "title": f"firstlight {verb} --json",
        "type": "object",
        "properties": {**always, **envelope, "schema": head},
        "required": ["schema", "ok"],
        "anyOf": variants,
        "$defs": dict(sorted(writer.definitions.items())),
    }


def schemas() -> Iterator[tuple[str, Schema]]:
    """Yield every schema with the name of its file."""
    for verb in VERBS:
        yield f"{verb}.json", verb_schema(verb)
    for name, document in FILES.items():
        title = f"{name} (file)"
        yield f"{name}.file.json", document_schema(f"firstlight/{name}", [document], title=title)


def schema_text(schema: Schema) -> str:
    """Return a schema as its file holds it."""
    return json.dumps(cast(object, schema), indent=2, ensure_ascii=False) + "\n"


def write_schemas(folder: Path) -> None:
    """Write every schema into the folder and remove outdated ones."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {name: schema_text(schema) for name, schema in schemas()}
    for path in folder.glob("*.json"):
        if path.name not in texts:
            path.unlink()
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
