"""run.toml: what a session did becomes a plan, a plan becomes the same plan again, and every mistake is named."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight_core.conversion.olive_config import checked_config, course_config, run_config
from firstlight_core.documents.artifact import InferenceModel
from firstlight_core.errors import InputRefused
from firstlight_core.exports.vllm_command import Capacity
from firstlight_core.ledger import Run
from firstlight_core.paths import find_paths
from firstlight_core.precision.options import with_options
from firstlight_core.precision.table import PRECISIONS, find_precision
from firstlight_core.session import Session
from firstlight_core.template.presets import PRESETS, TOKENIZER
from firstlight_core.workflow.plan import (
    BenchChoice,
    ChatChoice,
    DeployChoice,
    Plan,
    QualityChoice,
    TemplateChoice,
    check_files,
    plan_of,
)
from firstlight_core.workflow.run_file import read_run_toml, write_plan, write_run_toml
from tests.support import documents
from tests.support.measured_documents import qualities_document

Write = Callable[[str], Path]
KEYS = [precision.key for precision in PRECISIONS]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def put(text: str) -> Path:
        path = tmp_path / "run.toml"
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        return path

    return put


def test_the_shortest_plan(write: Write) -> None:
    plan = read_run_toml(write('source = "sample"'))
    assert plan == Plan(source=find_paths().sample, precisions=("int4",), use="int4")
    assert plan.subject == find_paths().sample


def test_paths_are_relative_to_the_file(write: Write, tmp_path: Path) -> None:
    plan = read_run_toml(
        write('source = "models/x"\n[quality]\nprompts = "q.jsonl"\nreference = "source"')
    )
    assert plan.source == tmp_path / "models" / "x"
    assert plan.quality == QualityChoice(
        prompts=tmp_path / "q.jsonl", reference=tmp_path / "models" / "x"
    )


@pytest.mark.parametrize("key", ["prompts", "reference"])
def test_what_the_quality_check_needs_is_looked_for_at_once(write: Write, key: str) -> None:
    check_files(read_run_toml(write('source = "x"\n[quality]\nprompts = "sample"')))
    plan = read_run_toml(write(f'source = "x"\n[quality]\n{key} = "gone"'))
    with pytest.raises(InputRefused, match=r"There is no .*gone\.") as refusal:
        check_files(plan)
    assert f"`quality.{key}`" in refusal.value.hint


def test_the_tokenizers_own_template_is_a_preset_too(write: Write) -> None:
    plan = read_run_toml(write('source = "x"\n[template]\npreset = "tokenizer"'))
    assert plan.template == TemplateChoice(preset="tokenizer")


def test_a_template_section_is_written_and_one_that_is_missing_stays_missing(
    write: Write, tmp_path: Path
) -> None:
    plan = read_run_toml(write('source = "x"\n[template]'))
    assert plan.template == TemplateChoice()
    assert read_run_toml(write_plan(tmp_path / "again.toml", plan)).template == TemplateChoice()
    bare = read_run_toml(write('source = "x"'))
    assert bare.template is None
    assert read_run_toml(write_plan(tmp_path / "bare.toml", bare)).template is None


def test_the_words_for_the_sample(write: Write) -> None:
    plan = read_run_toml(write('source = "x"\n[quality]\nprompts = "sample"\nreference = "sample"'))
    assert plan.quality is not None
    assert plan.quality.prompts == find_paths().sample_prompts
    assert plan.quality.reference == find_paths().sample


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("source = ", "TOML"),
        ("\udcff", "TOML"),
        ("x = " + "[" * 3_000, "TOML"),
        ("", "`source` must be given"),
        ('source = "x"\nartifact = "y"', "not both"),
        ('source = ""', "`source` is empty"),
        ('source = "a\\u0000b"', "`source` must be a text"),
        ('source = "~nobody-of-that-name/x"', "`source` names a home folder"),
        ("source = 7", "`source` must be a text"),
        ('source = "x"\nprecision = "int4"', "`precision` is not a key here"),
        ('source = "x"\nprecisions = "int4"', "`precisions` must be a list"),
        ('source = "x"\nprecisions = ["int5"]', "no precision 'int5'"),
        ('source = "x"\nprecisions = ["int4", "int4"]', "twice"),
        ('artifact = "x"\nprecisions = ["int4"]', "`precisions` belongs to `source`"),
        ('source = "x"\nuse = "int8"', "`use` is none of"),
        ('source = "x"\nmethod = "magic"', "`method` must be one of: config, command"),
        ('source = "x"\nschema = "firstlight/run.toml/9"', "`schema`"),
        ('source = "x"\ndeploy = "here"', "`deploy` must be a table"),
        ('source = "x"\n[deploy]', "`deploy.name` is missing"),
        ('source = "x"\n[deploy]\nname = "n"\nport = 1', "`deploy.port` is not a key here"),
        ('source = "x"\n[deploy]\nname = "../n"', "`deploy.name` cannot be used"),
        ('source = "x"\n[template]\npreset = "klingon"', "no template preset 'klingon'"),
        ('source = "x"\n[deploy]\nname = "n"\ngpus = 1', "`deploy.gpus` is not a key here"),
        (
            'source = "x"\n[deploy]\nname = "n"\ntarget = "vllm"\ngpus = 99',
            "`deploy.gpus` must be a whole number from 0 to 64",
        ),
        ('source = "x"\n[deploy]\nname = "n"\ntarget = "moon"', "`deploy.target` must be one of"),
        (
            'source = "x"\n[deploy]\nname = "n"\nreplace = 1',
            "`deploy.replace` must be true or false",
        ),
        ('source = "x"\n[chat]', "`chat.prompts` must hold"),
        ('source = "x"\n[chat]\nprompts = [1]', "`chat.prompts` must be a list of texts"),
        (
            'source = "x"\n[chat]\nprompts = ["a"]\nmax_tokens = 0',
            "`chat.max_tokens` must be a whole number",
        ),
        ('source = "x"\n[bench]\nlengths = []', "`bench.lengths`"),
        ('source = "x"\n[bench]\nlengths = [true]', "`bench.lengths`"),
        ('source = "x"\n[bench]\nrepeats = 1.5', "`bench.repeats`"),
        ('source = "x"\n[bench]\nprecisions = ["fp32"]', "`bench.precisions` names 'fp32'"),
        (
            'source = "x"\n[template]\npreset = "a"\n[template.inference_model]\nName = "x"',
            "exclude each other",
        ),
        (
            'source = "x"\n[template.inference_model]\nName = "x"',
            "`template.inference_model` cannot be used: `PromptTemplate` must be an object",
        ),
        ('source = "x"\n"\\u001b[31m" = 1', "is not a key here"),
        ('artifact = "x"\n[configs.int4]', "`configs` belongs to `source`"),
        ('source = "x"\n[configs.int8]', "`configs.int8` is none of `precisions`"),
        ('source = "x"\nconfigs = 1', "`configs` must be a table"),
        ('source = "x"\n[configs]\nint4 = 1', "`configs.int4` must be a table"),
        (
            'source = "x"\n[configs.int4]',
            "`configs.int4` cannot be run: In the configuration, passes",
        ),
        (
            'source = "x"\nmethod = "command"\n[configs.int4.passes.build]\ntype = "ModelBuilder"',
            "`configs` belongs to the method `config`",
        ),
        (
            'source = "x"\n[configs.int4.passes.build]\ntype = "ModelBuilder"\n'
            "extra_options.hf_remote = true",
            "hf_remote would run foreign code",
        ),
        (
            'source = "x"\n[configs.int4.passes.build]\ntype = "ModelBuilder"\nblock = inf',
            "`configs.int4` holds a date or a number",
        ),
        (
            'source = "x"\nprecisions = ["int8"]\ncalibration = "y.txt"',
            "`calibration` belongs to a precision that is rounded on a text",
        ),
        (
            'source = "x"\nprecisions = ["int4-calibrated"]\ncalibration = "none"',
            "`calibration` belongs to a precision that is rounded on a text",
        ),
        ("#" + "x" * 2**20, "larger"),
    ],
)
def test_a_mistake_is_named(write: Write, text: str, word: str) -> None:
    with pytest.raises(InputRefused) as caught:
        read_run_toml(write(text))
    assert word in str(caught.value)
    assert "run.toml" in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_precisions_may_be_named_by_their_labels(write: Write) -> None:
    text = """
source = "x"
precisions = ["INT4", "INT4 compact", "FP32"]
use = "INT4_Compact"

[configs.INT8]

[bench]
precisions = ["INT4 compact"]

[quality]
precisions = ["fp32", "Int4"]
"""
    plan = read_run_toml(write(text.replace("[configs.INT8]\n", "")))
    assert (plan.precisions, plan.use) == (("int4", "int4-compact", "fp32"), "int4-compact")
    assert plan.benchmark is not None and plan.benchmark.precisions == ("int4-compact",)
    assert plan.quality is not None and plan.quality.precisions == ("fp32", "int4")
    with pytest.raises(InputRefused, match=r"`configs\.INT8` is none of `precisions`"):
        read_run_toml(write(text))
    with pytest.raises(InputRefused, match="names one of them twice"):
        read_run_toml(write('source = "x"\nprecisions = ["int4", "INT4"]'))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="Cannot read"):
        read_run_toml(tmp_path / "missing.toml")


def test_edited_configurations_come_back_in_another_place(tmp_path: Path) -> None:
    """What the advanced options left, and a whole file of method 2; the plan moves together with its source."""
    here, there = tmp_path / "here", tmp_path / "there"
    source = here / "model"
    nearest = find_precision("int4").nearest
    assert nearest is not None
    advanced = with_options(
        run_config(source, nearest),
        {"block_size": 64, "shared_embeddings": False},
        precision=nearest,
        tied=True,
    )
    edited = course_config(source, here / "out", find_precision("int8"))
    edited["log_severity_level"] = 0
    session = Session().decide(
        source=str(source),
        precisions=("int4", "int8", "fp32"),
        configs={"int4": advanced, "int8": edited, "fp16": advanced},
        method="config",
    )
    plan = plan_of(session)
    assert sorted(plan.configs) == ["int4", "int8"]
    here.mkdir()
    path = write_plan(here / "run.toml", plan)
    assert "block_size = 64" in path.read_text()
    read = read_run_toml(path)
    for key, config in (("int4", advanced), ("int8", edited)):
        assert read.configs[key] == checked_config(config, source=source)
    moved = path.read_text().replace(f'source = "{source}"', 'source = "model"')
    assert str(here) in moved, "the course's input_model is kept as the user left it"
    beginning = moved[: moved.index("[configs.int8")] + "\n"
    there.mkdir()
    (there / "run.toml").write_text(beginning)
    config = read_run_toml(there / "run.toml").configs["int4"]
    assert config["input_model"]["model_path"] == str(there / "model")
    assert config["passes"] == advanced["passes"]


def test_a_calibration_text_comes_back_with_its_precision(tmp_path: Path) -> None:
    text = tmp_path / "mine.txt"
    text.write_text("The words that this model will meet. " * 20)
    session = Session().decide(
        source="/m", precisions=("int4", "int4-calibrated"), calibration=str(text)
    )
    plan = plan_of(session)
    assert plan.calibration == text
    path = write_plan(tmp_path / "run.toml", plan)
    assert read_run_toml(path).calibration == text
    path.write_text('source = "m"\nprecisions = ["int4-calibrated"]\ncalibration = "mine.txt"\n')
    assert read_run_toml(path).calibration == tmp_path / "mine.txt"
    assert plan_of(session.decide(precisions=("int4",))).calibration == text
    assert plan_of(session.decide(precisions=("int8",))).calibration is None


def test_rounding_to_the_nearest_is_a_word_too(tmp_path: Path) -> None:
    session = Session().decide(source="/m", precisions=("int4", "fp32"), calibration="none")
    plan = plan_of(session)
    check_files(plan)
    path = write_plan(tmp_path / "run.toml", plan)
    assert 'calibration = "none"' in path.read_text()
    assert read_run_toml(path).calibration == plan.calibration
    assert plan_of(session.decide(precisions=("int4-calibrated",))).calibration is None


def test_a_word_in_place_of_a_calibration_text_stays_a_word(tmp_path: Path) -> None:
    session = Session().decide(
        source="/m", precisions=("int4-calibrated",), calibration="own-answers"
    )
    plan = plan_of(session)
    check_files(plan)
    path = write_plan(tmp_path / "run.toml", plan)
    assert 'calibration = "own-answers"' in path.read_text()
    assert read_run_toml(path).calibration == plan.calibration


def test_a_calibration_text_that_is_missing_is_refused_before_any_work(tmp_path: Path) -> None:
    plan = Plan(
        source=tmp_path, precisions=("int4-calibrated",), calibration=tmp_path / "missing.txt"
    )
    with pytest.raises(InputRefused, match=r"missing\.txt"):
        check_files(plan)


def test_other_methods_have_no_configurations() -> None:
    session = Session().decide(source="/m", precisions=("int4",), configs={"int4": {"passes": {}}})
    assert plan_of(replace(session, method="command")).configs == {}


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
paths = texts.filter(lambda t: "/" not in t and "~" not in t).map(lambda t: Path("/models") / t)
names = st.from_regex(r"mine[A-Za-z0-9]{1,12}", fullmatch=True)
presets = st.sampled_from([TOKENIZER, *(preset.key for preset in PRESETS)])
inference_models = st.fixed_dictionaries(
    {"Name": names, "PromptTemplate": st.fixed_dictionaries({"prompt": st.just("Q: {Content}")})},
    optional={"Description": texts, "ModelConfig": st.just({"top_p": 0.9, "max_length": 512})},
)
subsets = st.lists(st.sampled_from(KEYS), min_size=1, unique=True).map(tuple)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    source = draw(st.none() | paths)
    precisions = draw(subsets) if source else ()
    some = st.lists(st.sampled_from(precisions), unique=True).map(tuple) if source else st.just(())
    numbers = st.integers(1, 1000)
    return Plan(
        source=source,
        artifact=None if source else draw(paths),
        precisions=precisions,
        use=draw(st.sampled_from(precisions)) if source else None,
        method=draw(st.sampled_from(["config", "command"])) if source else "config",
        template=draw(
            st.just(TemplateChoice())
            | presets.map(lambda key: TemplateChoice(preset=key))
            | inference_models.map(lambda model: TemplateChoice(inference_model=model))
        ),
        deploy=draw(
            st.none()
            | st.builds(DeployChoice, name=names, replace=st.booleans())
            | st.builds(
                DeployChoice,
                name=names,
                target=st.just("vllm"),
                capacity=st.none() | st.builds(Capacity, gpus=st.integers(0, 64)),
            )
        ),
        chat=draw(
            st.none()
            | st.builds(
                ChatChoice,
                prompts=st.lists(texts, min_size=1).map(tuple),
                system=st.just("") | texts,
                max_tokens=numbers,
            )
        ),
        benchmark=draw(
            st.none()
            | st.builds(
                BenchChoice,
                lengths=st.none() | st.lists(numbers, min_size=1).map(tuple),
                repeats=st.none() | numbers,
                precisions=some,
            )
        ),
        quality=draw(
            st.none()
            | st.builds(
                QualityChoice,
                prompts=st.none() | paths,
                reference=st.none() | paths,
                text=st.none() | paths,
                precisions=some,
            )
        ),
    )


@pytest.mark.slow
@given(plan=plans())
def test_a_plan_survives_the_file(tmp_path_factory: pytest.TempPathFactory, plan: Plan) -> None:
    path = tmp_path_factory.mktemp("plan") / "run.toml"
    assert read_run_toml(write_plan(path, plan)) == plan


INFERENCE_MODEL: InferenceModel = {"Name": "x", "PromptTemplate": {"prompt": "{Content}"}}


def session() -> Session:
    made = documents.converted("int8", "/runs/1/artifacts/int8")
    return Session(
        source=str(find_paths().sample),
        precisions=("int4", "int8"),
        artifacts=(made,),
        artifact="/runs/1/artifacts/int8",
        template=documents.settled(inference_model=INFERENCE_MODEL),
        deployment=documents.published("mine"),
        chat={
            "kind": "conversation",
            "turns": [
                {"role": "user", "text": "Hi?"},
                {"role": "assistant", "text": "Ho."},
                {"role": "user", "text": "And?"},
            ],
            "stats": [{}],
            "ratings": [],
        },
        benchmark=documents.bench(lengths=[16], new_tokens=16, repeats=2),
        quality=documents.quality(
            "/runs/1/artifacts/int8", prompts=str(find_paths().sample_prompts)
        ),
    )


@pytest.mark.parametrize(
    ("options", "prompts", "text"),
    [
        ({"prompts": "general"}, None, None),
        ({"prompts": "sample"}, "sample", None),
        (
            {"prompts": "/my/questions.jsonl", "text": "/my/text.txt"},
            "/my/questions.jsonl",
            "/my/text.txt",
        ),
    ],
)
@pytest.mark.parametrize("several", [False, True])
def test_the_plan_asks_what_quality_asked(
    options: dict[str, str], prompts: str | None, text: str | None, several: bool
) -> None:
    """What a document calls general, or the sample's, is no file of that name."""
    quality_of_artifact = documents.quality("/my/int4", **options)
    quality_of_all = qualities_document(quality_of_artifact) if several else quality_of_artifact
    finished = replace(session(), source="/my/model", quality=quality_of_all)
    quality = plan_of(finished).quality
    assert quality is not None
    assert quality.reference == Path("/my/model")
    wanted = find_paths().sample_prompts if prompts == "sample" else prompts
    assert quality.prompts == (Path(wanted) if wanted else None)
    assert quality.text == (Path(text) if text else None)


def test_a_session_becomes_the_plan_that_repeats_it(tmp_path: Path) -> None:
    run = Run.create("x", runs=tmp_path)
    plan = read_run_toml(write_run_toml(run, session()))
    assert plan == Plan(
        source=find_paths().sample,
        precisions=("int4", "int8"),
        use="int8",
        template=TemplateChoice(inference_model=INFERENCE_MODEL),
        deploy=DeployChoice(name="mine", target="folder"),
        chat=ChatChoice(prompts=("Hi?", "And?")),
        benchmark=BenchChoice(lengths=(16,), new_tokens=16, repeats=2),
        quality=QualityChoice(prompts=find_paths().sample_prompts, reference=find_paths().sample),
    )
    (entry,) = run.entries()
    assert Session.from_json(dict(entry.values)).source == session().source


def test_the_size_of_a_vllm_server_is_kept(tmp_path: Path) -> None:
    capacity = Capacity(gpus=4, replicas=2).to_json()
    sized = documents.exported("mine", "vllm", capacity=capacity)
    path = write_run_toml(Run.create("x", runs=tmp_path), replace(session(), deployment=sized))
    deploy = read_run_toml(path).deploy
    assert deploy is not None and deploy.capacity == Capacity(gpus=4, replicas=2)


def test_the_file_of_the_sample_holds_no_path_of_this_machine(tmp_path: Path) -> None:
    text = write_run_toml(Run.create("x", runs=tmp_path), session()).read_text()
    assert str(find_paths().sample.parent) not in text
    assert 'source = "sample"' in text


def test_an_adopted_artifact_is_not_converted(tmp_path: Path) -> None:
    plan = plan_of(Session(artifact=str(tmp_path / "onnx")))
    assert plan.artifact == tmp_path / "onnx"
    assert plan.precisions == () and plan.use is None


def test_nothing_to_repeat_yet(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="nothing to repeat"):
        write_run_toml(Run.create("x", runs=tmp_path), Session())
