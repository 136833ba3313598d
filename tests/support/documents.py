"""Whole documents as the core makes them, with fixed figures; `over` replaces keys, None takes a key out."""

from typing import Any

from firstlight_core.documents.conversion import ConversionDocument
from firstlight_core.documents.deploy import AnsweredDocument, ExportDocument, PublishedDocument
from firstlight_core.documents.environment import CheckDocument, DoctorDocument
from firstlight_core.documents.estimate import EstimateDocument
from firstlight_core.documents.ledger import QuestionsValues
from firstlight_core.documents.measure import (
    BenchDocument,
    BenchResult,
    CheckRow,
    DriftDocument,
    DriftExample,
    QualityDocument,
)
from firstlight_core.documents.model import InspectDocument
from firstlight_core.documents.template import SettledTemplate
from firstlight_core.errors import ErrorDocument, JobFailed
from tests.support import measured_documents
from tests.support.measured_documents import figure


def failure(message: str) -> ErrorDocument:
    return JobFailed(message).to_json()


def check(id: str, **over: Any) -> CheckDocument:
    """One row of the doctor."""
    return {
        "id": id,
        "title": id,
        "status": "ok",
        "found": "",
        "needed": "",
        "why": "",
        "fix": "",
        "vital": False,
        **over,
    }


def doctor(*checks: CheckDocument) -> DoctorDocument:
    return {"verdict": "ready", "checks": [*checks], "precisions": {}, "course": []}


def estimated(precision: str, **over: Any) -> EstimateDocument:
    return {
        "precision": precision,
        "bytes": 2_000_000,
        "peak_ram_bytes": 4 * 10**8,
        "disk_bytes": 10**7,
        "seconds": 4.0,
        "check_seconds": 1.0,
        "run_ram_bytes": 10**8,
        "context": 1024,
        "assumes": "",
        "available": True,
        "blocked_by": "",
        "reason": "",
        **over,
    }


def inspected(source: str, **over: Any) -> InspectDocument:
    return {
        "source": source,
        "architecture": "Qwen2ForCausalLM",
        "model_type": "qwen2",
        "supported": True,
        "support": None,
        "parameters": 2_298_112,
        "parameters_by_kind": {"embedding": 524_288, "body": 1_773_824, "head": 0},
        "dtype": "bfloat16",
        "tied_embeddings": True,
        "context_length": 1024,
        "layers": 3,
        "hidden_size": 256,
        "attention_heads": 4,
        "key_value_heads": 2,
        "head_size": 64,
        "intermediate_size": 512,
        "vocab_size": 2_048,
        "weight_bytes": 4_598_232,
        "weight_files": 1,
        "template": "chat_template.jinja",
        "special_tokens": {},
        "eos_token_ids": [2],
        "licence": None,
        "fingerprint": "f" * 64,
        "warnings": [],
        "estimates": {"int4": estimated("int4")},
        **over,
    }


def settled(**over: Any) -> SettledTemplate:
    whole: Any = {
        "kind": "settled",
        "ok": True,
        "locked": True,
        "verdict": "match",
        "sentence": "All renderers give the same tokens.",
        "exceptions": [],
        "differences": [],
        "shapes": [],
        "notes": [],
        "rewritten_template": None,
        "proposed_template": None,
        "inference_model": {"Name": "mine", "PromptTemplate": {"prompt": "{Content}"}},
        "prompt_template_of_tokenizer": {"prompt": "{Content}"},
        "stop_tokens": {
            "ok": True,
            "eos_token_ids": [2],
            "turn_ends": {},
            "missing": [],
            "sentence": "The model stops where the template ends a turn.",
        },
        "renderers": {"reference": "transformers", "artifact": "onnxruntime-genai"},
        "written": ["inference_model.json"],
        "search": {"max_length": 1024},
        **over,
    }
    document: SettledTemplate = whole
    return document


def converted(precision: str, artifact: str, **over: Any) -> ConversionDocument:
    return {
        "kind": "conversion",
        "artifact": artifact,
        "precision": precision,
        "bytes": 1_864_135,
        "seconds": 4.5,
        "olive_seconds": 3.5,
        "olive_peak_rss_bytes": 470_000_000,
        "peak_rss_bytes": 480_000_000,
        "peak_rss_by_stage": {"build": 480_000_000, "check": 90_000_000},
        "command": ["firstlight", "convert", "a b"],
        "smoke": {"tokens": 2, "text": "It says this.", "ids": [1, 2], "prompt": "Why?"},
        "method": "config",
        "built": {
            "bits": [4],
            "block_size": [32],
            "accuracy_level": [4],
            "quantised_nodes": 1,
            "plain_matmuls": 0,
            "dtype": "float32",
            "embedding": "float32",
        },
        "source": {"path": "/models/mine", "fingerprint": "sha256:0"},
        "proof": {"level": "proven", "reason": "", "kind": "int4"},
        **over,
    }


def bench_result(target: str, **over: Any) -> BenchResult:
    rate = figure(100.0, low=90.0, high=110.0)
    return {
        "kind": "artifact",
        "target": target,
        "label": target,
        "folder": target,
        "load_s": 0.25,
        "cases": [
            {
                "prompt_tokens": 32,
                "new_tokens": 8,
                "ttft_s": rate,
                "prefill_tps": rate,
                "decode_tps": rate,
                "total_s": figure(0.5),
            }
        ],
        "rss_bytes": {"baseline": 1, "loaded": 2, "peak": 3},
        **over,
    }


def bench(*results: BenchResult, **over: Any) -> BenchDocument:
    document = measured_documents.bench_document(*results)
    return {**document, "new_tokens": 8, "interleaved": True, **over}


def drift_example(text: str, *, original: str = "", artifact: str = "") -> DriftExample:
    return {
        "prompt": text,
        "kl_mean": 0.1,
        "original": original or text,
        "artifact": artifact or text,
        "first_divergence": 1,
        "texts_differ_at": 1,
    }


def drift(**over: Any) -> DriftDocument:
    document = measured_documents.drift_document(
        top1_agreement=0.99, kl_mean=0.001, kl_p95=0.003, perplexity_ratio=1.01
    )
    return {**document, "prompts": 20, "prompts_equal": 20, "first_divergence": 7, **over}


def check_row(id: str, **over: Any) -> CheckRow:
    """Return the result of one quality check."""
    return {**measured_documents.check_row(id, summary="39 of 39"), **over}


def quality(target: str, **over: Any) -> QualityDocument:
    checks = check_row("domain-answers", title="Answers")
    document = measured_documents.quality_document(target, checks, drift=drift(), verdict="Usable.")
    whole: Any = {key: value for key, value in {**document, **over}.items() if value is not None}
    checked: QualityDocument = whole
    return checked


def _names(name: str, target: str) -> Any:
    return {
        "name": name,
        "id": f"{name}:1" if target == "foundry" else name,
        "path": f"/models/custom/{name}",
        "target": target,
        "commands": [{"command": f"firstlight chat {name}", "does": "talk to it"}],
    }


def published(name: str, **over: Any) -> PublishedDocument:
    """A copy in a cache that was not asked."""
    return {**_visible(name, "folder"), "kind": "published", "verified": False, **over}


def answered(name: str, **over: Any) -> AnsweredDocument:
    """A deployment that Foundry Local has answered with."""
    verified = bool(over.get("verified", True))
    return {
        **_visible(name, "foundry"),
        "kind": "answered",
        "verified": verified,
        "ok": verified,
        "question": "Why?",
        "answer": "Its answer.",
        "artifact_answer": "Its answer.",
        "finish_reason": "stop",
        "load_seconds": 0.5,
        "answer_seconds": 0.25,
        **over,
    }


def _visible(name: str, target: str) -> Any:
    return {
        **_names(name, target),
        "precision": "int4",
        "cache": "private",
        "seen_by": [],
        "folder_drop": {
            "folder": f"/models/custom/{name}",
            "listed": True,
            "id": f"{name}:0",
            "reasons": [],
        },
    }


def exported(name: str, target: str, **over: Any) -> ExportDocument:
    return {
        **_names(name, target),
        "kind": "export",
        "verified": False,
        "files": ["serve.sh"],
        **over,
    }


def questions(artifact: str, *turns: Any) -> QuestionsValues:
    """What a run without a screen records of its chat; a turn is `prompt` and `text`, with what else is given."""
    return {
        "kind": "questions",
        "artifact": artifact,
        "system": "",
        "turns": [{"finish_reason": "stop", "stats": {}, **turn} for turn in turns],
    }
