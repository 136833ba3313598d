"""`make gate`: honest builds and builds with planted faults, held against their originals; the limits come from them.

Writes `core/firstlight_core/conversion/gate_thresholds.json` (which ships) and `bench/results/gate.json` (every build,
compact); `python -m bench.gate_page` makes `docs/gate.md` of them.
"""

import argparse
import copy
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Container
from pathlib import Path
from typing import Any

from bench.gate_builds import FAMILIES, TIES, Bench, build, environment, save, tiny_model, warm_up
from bench.gate_calibrated import (
    FORMS,
    WIDE,
    CalibratedBuild,
    calibrated_builder,
    calibrated_families,
    spiked,
)
from bench.gate_faults import SOURCE, damaged_copies
from bench.gate_moved import CALIBRATED, WEIGHTS_ALONE
from firstlight_core.documents.jobs_conversion import AnswersReply, Checked

RESULTS = Path(__file__).parent / "results" / "gate.jsonl"
PRECISIONS = ("fp32", "fp16", "int8", "int4", "int4-compact", "int4-quality")
FAULTY = ("fp32", "int8", "int4", "fp16")
"""Precisions that faults of the source are planted in, in turn."""
STRETCHED = ("qwen2", "llama", "mistral")
"""Families that are also built with stretched positions."""
DAMAGED = ("fp32", "int4")
"""Precisions that graph faults are planted in."""


def measured(passed: Checked, original: AnswersReply) -> dict[str, Any]:
    """The figures of one build that limits are about."""
    agreement, proof = passed["agreement"], original["proof"]
    weights = proof["weights"] if proof is not None else None
    reference = original["reference"]
    structure = agreement.get("structure")
    return {
        "structure": structure["error_max"] if structure is not None else None,
        "kl": agreement["plain"]["kl_mean"],
        "plain": agreement["plain"]["error_max"],
        "near": agreement["near"],
        "pieces": agreement["pieces"],
        "covered": reference["covered"]["tokens"] if reference is not None else 0,
        "error": weights["error"] if weights is not None else None,
        "row_error": weights["row_error"] if weights is not None else None,
        "slope": weights["slope"] if weights is not None else None,
        "strange": len(weights["unmatched"] + weights["unused"]) if weights is not None else 0,
        **({"moved": weights["moved"]} if weights is not None and "moved" in weights else {}),
        "reason": original["reason"],
    }


def _key(row: dict[str, Any]) -> str:
    names = ("family", "seed", "size", "form", "fault")
    return json.dumps([row.get(name) for name in names])


class Calibration:
    """Builds, holds, and writes one line a build."""

    def __init__(self, out: Path, faults: list[str]) -> None:
        self._faults = faults
        self._out = out.open("a")
        self._root = Path(tempfile.mkdtemp(prefix="gate-"))
        self._build: CalibratedBuild | None = None
        self._known = {_key(json.loads(line)) for line in out.read_text().splitlines()}

    def note(self, **values: Any) -> None:
        self._out.write(json.dumps(values) + "\n")
        self._out.flush()

    def source(self, kind: str, model: Any, *, seed: int, faults: bool, name: str = "") -> None:
        """Every precision of one model, honest and with faults."""
        root = self._root / f"{name or kind}-{seed}"
        about = {"family": name or kind, "model_type": model.config.model_type, "seed": seed}
        try:
            bench = Bench(save(root / "source", model), root / "yardstick")
            for precision in PRECISIONS:
                self.hold(bench, root / precision, precision, about, faults=faults)
            if faults:
                self.faults(bench, model, root, about)
        except Exception as error:
            self.note(**about, failed=f"{type(error).__name__}: {str(error)[:200]}")
        shutil.rmtree(root, ignore_errors=True)

    def hold(
        self, bench: Bench, folder: Path, precision: str, about: dict[str, Any], *, faults: bool
    ) -> None:
        """One honest build, and the copies of it that a fault is planted in."""
        try:
            artifact = build(bench.source, folder / "artifact", precision)
            self.note(**about, precision=precision, **measured(*bench.hold(artifact)))
        except Exception as error:
            self.note(
                **about, precision=precision, failed=f"{type(error).__name__}: {str(error)[:200]}"
            )
            return
        if precision in DAMAGED and faults:
            for fault, damaged in damaged_copies(artifact, folder / "damaged"):
                self.planted(bench, damaged, precision, fault, about)

    def faults(self, bench: Bench, model: Any, root: Path, about: dict[str, Any]) -> None:
        """One build for each fault of the source."""
        seed = about["seed"]
        for number, change in enumerate(SOURCE):
            wrong = copy.deepcopy(model)
            if change.__name__ not in self._faults or not change(wrong):
                continue
            source = save(root / "wrong", wrong)
            for precision in (FAULTY[(number + seed) % 3], *(("fp16",) if seed % 3 == 0 else ())):
                try:
                    artifact = build(source, root / "built" / "artifact", precision)
                    self.planted(bench, artifact, precision, change.__name__, about)
                except Exception as error:
                    self.note(
                        **about, precision=precision, fault=change.__name__, failed=str(error)[:200]
                    )
                shutil.rmtree(root / "built", ignore_errors=True)
            shutil.rmtree(source)

    def rounded(
        self,
        kind: str,
        model: Any,
        *,
        seed: int,
        faults: Container[str] = (),
        name: str = "",
        size: str = "wide",
        files: Path | None = None,
    ) -> None:
        """Every form of calibrated weights of one model, honest and with faults; none that the results hold already.

        Faults of structure are planted in one form after another, those of weights alone in all; the latter also in real
        models (`files`: their folder) and in those with spikes, in the first form.
        """
        root = self._root / f"{name or kind}-{seed}-rounded"
        about = {"family": name or kind, "model_type": model.config.model_type, "seed": seed}
        about |= {"size": size}
        build = self._build = self._build or calibrated_builder()
        bench = Bench(save(root / "source", model, files), root / "yardstick")
        for form in FORMS:
            own = {**about, "form": form.about()}
            artifact = build(bench.source, root / form.name / "artifact", form)
            if _key(own) not in self._known:
                figures = measured(*bench.hold(artifact, calibrated=True))
                self.note(**own, precision=CALIBRATED, **figures)
            if faults and size == "wide":
                for fault, damaged in damaged_copies(artifact, root / "damaged"):
                    if _key({**own, "fault": fault}) not in self._known:
                        self.planted(bench, damaged, CALIBRATED, fault, own)
            shutil.rmtree(artifact.parent)
        for number, change in enumerate(SOURCE):
            hidden = change.__name__ in WEIGHTS_ALONE
            forms = FORMS if hidden else FORMS[(number + len(kind)) % 3 :][:1]
            if size != "wide":
                forms = FORMS[:hidden]
            wrong = copy.deepcopy(model) if forms and change.__name__ in faults else None
            if wrong is None or not change(wrong):
                continue
            source = save(root / "wrong", wrong, files)
            for form in forms:
                own = {**about, "form": form.about()}
                if _key({**own, "fault": change.__name__}) in self._known:
                    continue
                artifact = build(source, root / "built" / "artifact", form)
                self.planted(bench, artifact, CALIBRATED, change.__name__, own)
                shutil.rmtree(root / "built", ignore_errors=True)
            shutil.rmtree(source)
        shutil.rmtree(root, ignore_errors=True)

    def planted(
        self, bench: Bench, artifact: Path, precision: str, fault: str, about: dict[str, Any]
    ) -> None:
        """Hold a build that is known to be wrong; one that does not even run is refused without a figure."""
        try:
            outcome = measured(*bench.hold(artifact, calibrated=precision == CALIBRATED))
        except Exception as error:
            outcome = {"refused": f"{type(error).__name__}: {str(error)[:120]}"}
        self.note(**about, precision=precision, fault=fault, **outcome)


def stretched(kind: str, seed: int, **sizes: int) -> Any:
    """A model whose positions are stretched twofold, where the build under test writes that."""
    rope = {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}
    return tiny_model(kind, seed=seed, rope_parameters=rope, **sizes)


def calibrated_builds(
    work: Calibration, kind: str, first: int, seeds: int, faults: list[str]
) -> None:
    """Calibrated builds of one family: narrow and wide, tied and not, and with channels that stand out."""
    for seed in range(first, first + seeds):
        planted = faults if seed == first else []
        for tied in (False, True) if kind in TIES else (False,):
            name = f"{kind} tied" if tied else kind
            own = {"seed": seed, "tie_word_embeddings": tied}
            work.rounded(kind, tiny_model(kind, **own), seed=seed, name=name, size="narrow")
            wide = tiny_model(kind, **own, **WIDE)
            work.rounded(kind, wide, seed=seed, faults=planted, name=name)
            out = spiked(tiny_model(kind, **own, **WIDE))
            work.rounded(kind, out, seed=seed, faults=planted, name=name, size="spiked")
    if kind in STRETCHED and not first:
        long = stretched(kind, 0, **WIDE)
        work.rounded(kind, long, seed=0, faults=["rope_type_dropped"], name=f"{kind} linear")


def real_builds(work: Calibration, folder: Path) -> None:
    """Calibrated builds of a real model, and those faults that its weights might hide."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
    work.rounded(folder.name, model, seed=0, faults=WEIGHTS_ALONE, size="real", files=folder)


def main() -> int:
    """Run the calibration; `--seeds`, `--families`, `--out` narrow it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--precisions", default=",".join(PRECISIONS), help="of real models")
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--only", default="", help="names of source faults, instead of all")
    parser.add_argument("--calibrated", action="store_true", help="only builds rounded on a text")
    parser.add_argument("--rounded", type=Path, nargs="*", default=[], help="as --real, calibrated")
    parser.add_argument("--real", type=Path, nargs="*", default=[], help="folders of real models")
    args = parser.parse_args()
    chosen = args.only.split(",") if args.only else [change.__name__ for change in SOURCE]
    environment()
    warm_up()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    work = Calibration(args.out, chosen)
    began = time.monotonic()
    chosen_families = list(filter(None, args.families.split(",")))
    for kind in (k for k in chosen_families if k in calibrated_families()):
        calibrated_builds(work, kind, args.first, args.seeds, chosen)
        sys.stderr.write(f"{time.monotonic() - began:6.0f} s  {kind} calibrated\n")
    for folder in args.rounded:
        real_builds(work, folder)
    if args.calibrated:
        return 0
    for seed in range(args.first, args.first + args.seeds):
        for kind in chosen_families:
            work.source(kind, tiny_model(kind, seed=seed), seed=seed, faults=seed == args.first)
            if kind in TIES:
                tied = tiny_model(kind, seed=seed, tie_word_embeddings=True)
                work.source(kind, tied, seed=seed, faults=False, name=f"{kind} tied")
            sys.stderr.write(f"{time.monotonic() - began:6.0f} s  {kind} {seed}\n")
    for kind in STRETCHED:
        if kind in chosen_families and not args.first:
            work.source(kind, stretched(kind, 0), seed=0, faults=True, name=f"{kind} linear")
    for folder in args.real:
        bench = Bench(folder, work._root / "yardstick" / folder.name)
        about = {"family": folder.name, "model_type": str(bench.reference["model_type"]), "seed": 0}
        for precision in args.precisions.split(","):
            work.hold(bench, work._root / folder.name / precision, precision, about, faults=True)
            shutil.rmtree(work._root / folder.name / precision, ignore_errors=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
