"""Fixtures of `make test-real`: two real models as folders, and what Firstlight converts them to."""

import asyncio
import hashlib
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import firstlight_core
from tests.conftest import make_once
from tests.optin.real_models import MODELS

REAL = os.environ.get("FIRSTLIGHT_REAL", "")
collect_ignore_glob = [] if REAL else ["test_real_*.py"]
KEPT_SECONDS = 86_400
"""Artifacts of other versions of the code are removed after a day."""


@pytest.fixture(scope="session")
def real_folder() -> Callable[[str], Path]:
    """`real_folder("smollm2")` or `real_folder("gemma3")`: a folder with real weights; read-only."""

    def find(name: str) -> Path:
        assert name in MODELS
        folder = Path(REAL).absolute() / name
        if not REAL or not (folder / "config.json").is_file():
            pytest.skip("make test-real fetches the real models")
        return folder

    return find


def artifacts_folder() -> Path:
    """Where the artifacts of this version of the conversion lie; those of older versions are removed after a day."""
    core = Path(firstlight_core.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(
        [*core.glob("precision/*.py"), *core.glob("conversion/*.py"), *core.glob("jobs/*.py")]
    ):
        digest.update(path.read_bytes())
    root = Path(REAL).absolute() / "artifacts"
    folder = root / digest.hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    os.utime(folder)
    for other in root.iterdir():
        if other.stat().st_mtime < time.time() - KEPT_SECONDS:
            shutil.rmtree(other, ignore_errors=True)
    return folder


@pytest.fixture(scope="session")
def real_artifact(real_folder: Callable[[str], Path]) -> Callable[..., Path]:
    """`real_artifact("smollm2", "int4")`: converted once and kept as long as the conversion's code is the same; read-only.

    `calibration` as `convert` takes it. A conversion that fails fails the test that asked for it.
    """

    def find(name: str, precision: str, calibration: str | None = None) -> Path:
        source = real_folder(name)

        def make(folder: Path) -> None:
            from firstlight_core.conversion.convert import convert

            own = os.environ.get("FIRSTLIGHT_HOME")
            os.environ["FIRSTLIGHT_HOME"] = str(Path(REAL).absolute() / "home")
            # In a thread of its own: the test that asks may be a coroutine.
            try:
                with ThreadPoolExecutor(1) as pool:
                    work = convert(source, folder, precision=precision, calibration=calibration)
                    pool.submit(asyncio.run, work).result()
            finally:
                if own is not None:
                    os.environ["FIRSTLIGHT_HOME"] = own

        return make_once(
            artifacts_folder() / "-".join(filter(None, (name, precision, calibration))), make
        )

    return find
