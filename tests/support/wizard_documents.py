"""Documents of a whole run of the wizard, with fixed figures, and the session that holds them."""

from firstlight_core.documents.artifact import InferenceModel
from firstlight_core.documents.conversion import ConversionDocument
from firstlight_core.documents.environment import DoctorDocument
from firstlight_core.documents.template import PreviewToken, TemplatePreview
from firstlight_core.paths import find_paths
from firstlight_core.session import Session
from tests.support.documents import answered, converted, estimated, inspected, settled
from tests.support.measured_documents import (
    bench_document,
    bench_result,
    drift_document,
    drift_example,
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
MODEL = inspected(
    str(find_paths().sample),
    warnings=["A warning with \x1b[31m escapes and [b]markup[/b]"],
    estimates={
        key: estimated(
            key,
            bytes=size,
            peak_ram_bytes=GIB // 2,
            seconds=12.0,
            available=key != "fp16",
            reason="Not with this genai." if key == "fp16" else "",
            assumes="the formulas of FACTS",
        )
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
)


def conversion(precision: str, folder: str = "/models/out") -> ConversionDocument:
    return converted(
        precision,
        f"{folder}/{precision}",
        bytes=1_740_000,
        seconds=14.2,
        peak_rss_bytes=600 * 2**20,
        command=["olive", "run"],
        smoke={"tokens": 8, "text": "INT4 stores each weight", "ids": [1], "prompt": "Why?"},
    )


INFERENCE_MODEL: InferenceModel = {
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
TEMPLATE = settled(
    inference_model=INFERENCE_MODEL,
    shapes=[
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
    stop_tokens={
        "ok": True,
        "eos_token_ids": [2],
        "turn_ends": {"<|im_end|>": 2},
        "missing": [],
        "sentence": "The model stops at <|im_end|>, where the template ends a turn.",
    },
)
_TEXTS = "<|im_start|> user ↵ What ␣is ␣int4 ␣quant ization ? <|im_end|> ↵ <|im_start|> assistant ↵"
_TOKENS: list[PreviewToken] = [
    {"id": sum(map(ord, text)) % 4096, "text": text, "special": text.startswith("<|")}
    for text in _TEXTS.replace("↵", "\n").replace("␣", "\u00a0").split(" ")
]
for _token in _TOKENS:
    _token["text"] = _token["text"].replace("\u00a0", " ")
PREVIEW: TemplatePreview = {
    "conversations": [
        {"id": "question", "text": "".join(t["text"] for t in _TOKENS), "tokens": _TOKENS},
        {"id": "conversation", "text": "", "tokens": [*_TOKENS, *_TOKENS, *_TOKENS]},
        {"id": "chat-template", "text": "".join(t["text"] for t in _TOKENS), "tokens": _TOKENS},
    ]
}
DEPLOYMENT = answered(
    "sample-int4",
    question="",
    answer="INT4 stores each weight in four bits.",
    artifact_answer="INT4 stores each weight in four bits.",
)
BENCHMARK = bench_document(bench_result("/models/out/int4", precision="int4"))
QUALITY = quality_document(
    "/models/out/int4",
    drift={
        **drift_document(
            drift_example("What is int4 quantization?", 0.03, 5),
            drift_example("Which is smaller on disk?", 0.02, 9),
            drift_example("Name three colours.", 0.01, None),
            top1_agreement=0.99,
            kl_mean=0.01,
            kl_p95=0.03,
            perplexity_ratio=1.01,
            tokens=512,
        ),
        "kl_by_prompt": [0.002, 0.004, 0.03, 0.001, 0.02, 0.01, 0.008, 0.005],
    },
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
