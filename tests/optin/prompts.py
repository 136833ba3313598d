"""Whether the prompt that vLLM builds from messages is the artifact's, token for token."""

import json
import urllib.request
from pathlib import Path
from typing import Any

from firstlight_core.template.control_tokens import marking_tokens
from firstlight_core.template.rendering import private_tokenizer, render
from firstlight_core.template.shapes import parity_shapes


async def prompt_agreement(base_url: str, model: str, artifact: Path) -> dict[str, Any]:
    """`{conversations, same, different[]}` over the template lock's conversations."""
    from tokenizers import Tokenizer

    encoder = Tokenizer.from_file(str(artifact / "tokenizer.json"))
    shapes = parity_shapes(tuple(marking_tokens(artifact)))
    async with private_tokenizer(artifact) as folder:
        drawn = (await render("jinja", folder, [shape.to_json() for shape in shapes]))["renders"]
    different = []
    for shape, rendering in zip(shapes, drawn, strict=True):
        wanted = encoder.encode(rendering["text"], add_special_tokens=False).ids
        request = {
            **{"model": model, "messages": list(shape.messages), "add_special_tokens": False},
            "add_generation_prompt": shape.generate,
        }
        if _tokenized(base_url, request) != wanted:
            different.append(shape.label)
    same = len(shapes) - len(different)
    return {"conversations": len(shapes), "same": same, "different": different}


def _tokenized(base_url: str, body: dict[str, Any]) -> list[int]:
    request = urllib.request.Request(
        base_url.removesuffix("/v1") + "/tokenize",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        tokens: list[int] = json.load(answer)["tokens"]
    return tokens
