"""Open the job that holds Foundry Local's runtime."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from firstlight_core.artifact.model_caches import ModelCache
from firstlight_core.documents.jobs_foundry import FOUNDRY, FoundryRequest
from firstlight_core.paths import find_paths
from firstlight_core.process.runner import OpenJob, open_job


@asynccontextmanager
async def open_foundry(
    *, folder: Path | None = None, cache: ModelCache | None = None, port: int = 0
) -> AsyncIterator[OpenJob]:
    """Foundry Local's runtime with Firstlight's private application folder, or another one; `cache` holds its index."""
    app_folder = folder if folder is not None else find_paths().foundry
    index = cache.index if cache is not None else app_folder / "cache" / "models"
    request: FoundryRequest = {"folder": str(app_folder), "index": str(index), "port": port}
    async with open_job(FOUNDRY, request) as job:
        yield job
