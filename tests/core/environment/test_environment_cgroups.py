"""Control groups: the tightest level counts, and whatever cannot be read counts for nothing."""

from pathlib import Path

import pytest

from firstlight_core.cgroups import cpu_quota, memory_left, memory_limit

MIB = 2**20


def group(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own"
    path.write_text("0::/user/session\n")
    return path


def test_v2_takes_the_tightest_level(tmp_path: Path, own: Path) -> None:
    root = tmp_path / "cg"
    group(root, memory__max="max")
    group(root / "user", memory__max=300 * MIB, memory__current=100 * MIB, cpu__max="150000 100000")
    group(
        root / "user" / "session",
        memory__max=900 * MIB,
        memory__current=10 * MIB,
        cpu__max="max 100000",
    )
    assert memory_limit(root=root, own=own) == 300 * MIB
    assert memory_left(root=root, own=own) == 200 * MIB
    assert cpu_quota(root=root, own=own) == 1.5


def test_file_cache_is_not_used_memory(tmp_path: Path, own: Path) -> None:
    root = tmp_path / "cg"
    group(
        root / "user",
        memory__max=300 * MIB,
        memory__current=250 * MIB,
        memory__stat=f"anon 1\ninactive_file {150 * MIB}",
    )
    assert memory_left(root=root, own=own) == 200 * MIB


def test_v1(tmp_path: Path) -> None:
    own, root = tmp_path / "own", tmp_path / "cg"
    own.write_text("9:memory:/box\n4:cpu,cpuacct:/box\n")
    group(root / "memory", memory__limit_in_bytes=9223372036854771712)
    group(
        root / "memory" / "box",
        memory__limit_in_bytes=60 * MIB,
        memory__usage_in_bytes=20 * MIB,
    )
    group(root / "cpu" / "box", cpu__cfs_quota_us=200000, cpu__cfs_period_us=100000)
    assert memory_limit(root=root, own=own) == 60 * MIB
    assert memory_left(root=root, own=own) == 40 * MIB
    assert cpu_quota(root=root, own=own) == 2.0


@pytest.mark.parametrize("text", ["", "garbage", "0::/../../etc", "0::/gone/away", "\0", "0:::::"])
def test_what_cannot_be_read_is_no_limit(tmp_path: Path, text: str) -> None:
    own, root = tmp_path / "own", tmp_path / "cg"
    own.write_text(text)
    group(root, memory__max="many", cpu__max="0 0")
    assert memory_limit(root=root, own=own) is None
    assert memory_left(root=root, own=own) is None
    assert cpu_quota(root=root, own=own) is None
    assert cpu_quota(root=tmp_path / "no", own=tmp_path / "no") is None
