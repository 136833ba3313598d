"""Documents of a whole run of the wizard, with fixed figures, and the session that holds them."""

from typing import Any

from firstlight_core.documents.environment import DoctorDocument
from firstlight_core.paths import find_paths
from firstlight_core.session import Session
from tests.support.measured_documents import (
    bench_document,
    bench_result,
    drift_document,
    quality_document,
)

GIB = 2**30
ENVIRONMENT: DoctorDocument = {
    "verdict": "warnings",
    "checks": [
        {
            "id": "python",
            "title": "Python",
            "status": "ok",
            "found": "3.11.7",
            "needed": ">= 3.11",
            "why": "wheels",
            "fix": "",
            "vital": True,
        },
        {
            "id": "cmake",
            "title": "CMake",
            "status": "missing",
            "found": "not found",
            "needed": ">= 3.31",
            "why": "only to build onnxruntime-genai from source",
            "fix": "pip install cmake",
            "vital": False,
        },
    ],
    "precisions": {},
    "course": [],
}
MODEL = {
    "architecture": "Qwen2ForCausalLM",
    "supported": True,
    "parameters": 2_298_112,
    "dtype": "bfloat16",
    "parameters_by_kind": {"embedding": 524_288, "body": 1_773_824, "head": 0},
    "layers": 3,
    "hidden_size": 256,
    "attention_heads": 4,
    "key_value_heads": 2,
    "head_size": 64,
    "intermediate_size": 512,
    "vocab_size": 2_048,
    "tied_embeddings": True,
    "context_length": 1024,
    "weight_bytes": 4_598_232,
    "template": "chat_template.jinja",
    "fingerprint": "f" * 64,
    "warnings": ["A warning with \x1b[31m escapes and [b]markup[/b]"],
    "estimates": {
        key: {
            "bytes": size,
            "peak_ram_bytes": GIB // 2,
            "seconds": 12.0,
            "available": key != "fp16",
            "reason": "Not with this genai." if key == "fp16" else "",
            "assumes": "the formulas of FACTS",
        }
        for key, size in (
            ("fp32", 9_300_000),
            ("fp16", 4_700_000),
            ("int8", 4_980_000),
            ("int8-compact", 3_010_000),
            ("int4", 1_740_000),
            ("int4-compact", 1_500_000),
            ("int4-quality", 2_100_000),
            ("int4-calibrated", 2_180_000),
        )
    },
}


def conversion(precision: str, folder: str = "/models/out") -> dict[str, Any]:
    return {
        "kind": "conversion",
        "artifact": f"{folder}/{precision}",
        "precision": precision,
        "bytes": 1_740_000,
        "seconds": 14.2,
        "peak_rss_bytes": 600 * 2**20,
        "command": ["olive", "run"],
        "smoke": {"tokens": 8, "text": "INT4 stores each weight"},
    }


INFERENCE_MODEL = {
    "Name": "sample-int4",
    "Description": "",
    "Version": "1",
    "PromptTemplate": {
        "system": "<|im_start|>system\n{Content}<|im_end|>\n",
        "user": "<|im_start|>user\n{Content}<|im_end|>\n",
        "assistant": "<|im_start|>assistant\n{Content}<|im_end|>\n",
        "prompt": "<|im_start|>user\n{Content}<|im_end|>\n<|im_start|>assistant\n",
    },
    "ModelConfig": {
        "max_length": 1024,
        "temperature": 0.7,
        "top_p": 0.9,
        "repetition_penalty": 1.1,
    },
}
TEMPLATE = {
    "locked": True,
    "differences": [],
    "inference_model": INFERENCE_MODEL,
    "shapes": [
        {
            "id": "single",
            "label": "one question",
            "genai": "same",
            "prompt_template": "same",
            "text": "x",
            "tokens": {"reference": 17, "genai": 17, "prompt_template": 17},
        },
        {
            "id": "tools",
            "label": "an odd one",
            "genai": "differs",
            "prompt_template": "cannot",
            "text": "y",
            "tokens": {"reference": 20, "genai": 21},
        },
    ],
    "stop_tokens": {
        "ok": True,
        "sentence": "The model stops at <|im_end|>, where the template ends a turn.",
    },
}
DEPLOYMENT = {
    "name": "sample-int4",
    "id": "sample-int4:1",
    "path": "/models/custom/sample-int4",
    "verified": True,
    "commands": [{"command": "firstlight chat sample-int4", "does": "talk to it"}],
    "answer": "INT4 stores each weight in four bits.",
    "artifact_answer": "INT4 stores each weight in four bits.",
}
BENCHMARK = bench_document(bench_result("/models/out/int4", precision="int4"))
QUALITY = quality_document(
    "/models/out/int4",
    drift=drift_document(
        top1_agreement=0.99, kl_mean=0.01, kl_p95=0.03, perplexity_ratio=1.01, tokens=512
    ),
)


FULL = Session(
    environment=ENVIRONMENT,
    source=str(find_paths().sample),
    model=MODEL,
    precisions=("int4",),
    artifacts=(conversion("int4"),),
    artifact="/models/out/int4",
    template=TEMPLATE,
    deployment=DEPLOYMENT,
    chat=None,
    benchmark=BENCHMARK,
    quality=QUALITY,
)
