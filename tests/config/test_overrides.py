"""--config as people type it: every key by its type in the schema, models' keys, sentences with what to type."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sre import SreError
from sre.config.overrides import check_command, check_once, check_targets, read_config, read_entries
from sre.config.recipe import Recipe, load_recipe
from sre.config.schema import Schema
from sre.io.text import canonical
from sre.io.yaml_text import read_yaml

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "recipes"


def loaded(*entries: str, files: tuple[Path, ...] = ()) -> Recipe:
    return load_recipe(read_config(RECIPES, files, entries), RECIPES)


def value(recipe: Recipe, key: str) -> object:
    """Of a dotted key; a model's begins with its name."""
    found: object = recipe.config | recipe.trainings
    for part in key.split("."):
        found = found[part]
    return found


@pytest.mark.parametrize(
    "entry, key, expected",
    [
        ("seeds=[1,2]", "seeds", [1, 2]),
        ("seeds=2", "seeds", [2]),
        ("seeds=1, 2", "seeds", [1, 2]),
        ("development={speakers: 5}", "development.speakers", 5),
        ("audio={allow_pipes: true}", "audio.allow_pipes", True),
        ("audio={'allow_pipes': True}", "audio.allow_pipes", True),  # as the Python dict of Snakemake's help
        ('audio={"resample": yes}', "audio.resample", True),
        ("set=audio.resample=on", "audio.resample", True),
        ("set=[nj=3, seeds=[3,4], bootstrap={seed: 7}]", "seeds", [3, 4]),
        ("set=[nj=3, seeds=[3,4], bootstrap={seed: 7}]", "bootstrap", {"replicates": 1000, "seed": 7}),
        ("models=xvector", "models", ["xvector"]),
        ("systems=cosine, cosine_centred+asnorm", "systems", ["cosine", "cosine_centred+asnorm"]),
        ("max_rejected=5e-2", "max_rejected", 0.05),
        ("cut_seconds=null", "cut_seconds", None),
        ("cut_seconds=", "cut_seconds", None),
        ("nj=8.0", "nj", 8),
        ("metric=act_dcf_0.05", "metric", "act_dcf_0.05"),
        ("set=features.fbank40.num_mel_bins=60", "features.fbank40.num_mel_bins", 60),
        ("set=features.fbank40.compression=3", "features.fbank40.compression", 3),
        ("xvector={training: {lr: 0.05}}", "xvector.training.lr", 0.05),
        ("set=xvector.training.lr=5e-2", "xvector.training.lr", 0.05),
        ("set=xvector.options.channels=16", "xvector.options.channels", 16),
        ("set=xvector.loss.type=softmax", "xvector.loss.type", "softmax"),
        ("set=xvector.training.chunk_frames=[100, 150]", "xvector.training.chunk_frames", [100, 150]),
        ("set=xvector.augment.speeds=0.9, 1.1", "xvector.augment.speeds", [0.9, 1.1]),
    ],
)
def test_typed_by_the_schema(entry: str, key: str, expected: object) -> None:
    found = value(loaded(entry), key)
    assert found == expected and type(found) is type(expected)


TYPED = ["2024_11", "202411", "007", "1e5", "0x10", "true", "no", "1.10", "2024_1", "nan", "12"]


@pytest.mark.parametrize("text", TYPED)
def test_names_are_taken_as_typed(text: str) -> None:
    """Snakemake makes 202411 of 2024_11 and 100000.0 of 1e5, whatever quotes are put round it."""
    if re.fullmatch("[a-z0-9_]+", text):
        assert loaded(f"name={text}").name == loaded(f"name='{text}'").name == loaded(f'set=name="{text}"').name == text
    folders = ["12:30", "2024-11-05", "a: b", "a #b", "{x}", "[y]", "*z", "!t", "it's", "%", "a=b", "-", "@"]
    assert [loaded(f"corpus={folder}").config["corpus"] for folder in [text, *folders]] == [text, *folders]


def test_nested_text_is_taken_as_typed() -> None:
    told = loaded(
        "trials={2024_11: 1e5, b: 007}", "enroll=F", "embeddings={old: {train: 12:30, eval: 1.10}}", "models="
    )
    assert told.config["trials"] == {"2024_11": "1e5", "b": "007"} and told.config["enroll"] == "F"
    assert told.runs["old"].embeddings == {"train": "12:30", "eval": "1.10"}


def test_an_override_changes_its_model_only(tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text((RECIPES / "mini/models/xvector.yaml").read_text())
    both = f"models=[xvector, {other}]"
    before, after = loaded(both), loaded(both, "set=xvector.training.lr=0.05", "set=xvector.training.epochs=3")
    changed = {run for run in before.trainings if canonical(before.trainings[run]) != canonical(after.trainings[run])}
    assert list(before.runs) == ["xvector", "other"] and changed == {"xvector"}
    old, new = before.trainings["xvector"], after.trainings["xvector"]
    assert new == {**old, "training": {**old["training"], "lr": 0.05, "epochs": 3}}
    note = "Model xvector: training.lr 0.05, training.epochs 3, in place of what its YAML says."
    assert (before.notes, after.notes) == ([], [note])


def test_what_a_config_file_says_of_a_model_is_below_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("seeds: 3\nxvector:\n  training: {lr: 0.01, epochs: 7}\n")
    told = loaded("set=xvector.training.lr=0.05", files=(file,)).trainings["xvector_s3"]
    assert (told["training"]["lr"], told["training"]["epochs"], told["seed"]) == (0.05, 7, 3)


@pytest.mark.parametrize(
    "entries, sentence",
    [
        (["lr=0.01"], "unknown key 'lr'; it is a model's: set=xvector.training.lr=VALUE"),
        (["epoch=3"], "unknown key 'epoch'; the nearest is a model's: set=xvector.training.epochs=VALUE"),
        (["xvectr={training: {lr: 1}}"], "unknown key 'xvectr'; the nearest is a model's: set=xvector.KEY=VALUE"),
        (["fbank40={cmn: none}"], "unknown key 'fbank40'; it is set=features.fbank40.KEY=VALUE"),
        (["training={lr: 1}"], "unknown key 'training'; it is a model's: set=xvector.training=VALUE"),
        (["allow_pipes=yes"], "unknown key 'allow_pipes'; it is set=audio.allow_pipes=VALUE"),
        (["num_mel_bins=8"], "unknown key 'num_mel_bins'; it is set=features.fbank40.num_mel_bins=VALUE"),
        (["set=audio.sample_rat=8"], "unknown key 'audio.sample_rat'; the nearest valid one is 'sample_rate'"),
        (["set=xvector.training.rl=8"], "unknown key 'training.rl'; the nearest valid one is 'lr'"),
        (["set=xvector.lr=8"], "unknown key 'lr'; it is 'training.lr'"),
        (["set=xvector.options.chanels=8"], "options: 1 problem:\n  unknown key 'chanels'; the nearest valid one is"),
        (["set=nj"], "write set=KEY.KEY=VALUE, e.g. set=xvector.training.lr=0.05, or several as 'set=[KEY="),
        (["set=" + "a." * 999 + "b=3"], "…: write set=KEY.KEY=VALUE"),
        (["seeds=" + "[" * 99 + "]" * 99], "…: cannot be read (nested too deeply, or in itself); mend it"),
        (["set=.nj=3"], "--config set=.nj=3: write set=KEY.KEY=VALUE"),
        (["audio={resample: true"], "--config audio={resample: true:1: not YAML ("),
        (["xvector=3"], "xvector: '3'; write keys of the model"),
        (["nj=four"], "nj: 'four' is not of type 'integer'"),
        (["development=speakers=5"], "development: 'speakers=5' is not of type 'object'; write {KEY: VALUE}"),
        (["development={speakers:5}"], "unknown key 'development.speakers:5'; a blank belongs behind the colon"),
        (["audio={resample: }"], "audio.resample: null is not of type 'boolean'"),
        (["nj=010"], "nj: '010' is not of type 'integer'; leave out the 0 in front"),
        (["max_rejected=0,05"], "max_rejected: '0,05' is not of type 'number'; write a point for the comma"),
        (["set=nj=2,corpus_seed=3"], "is not of type 'integer'; several at once are 'set=[KEY=VALUE, KEY=VALUE]'"),
        (["nj=1" + "0" * 12], "nj: 1000000000000 is greater than the maximum of 10000"),
        (["seed=3"],
         "set=copies.NAME.seed=VALUE or a model's: set=xvector.filter.speakers.seed=VALUE; 'seeds' is the"),
        (["systems=cosine + asnorm"], "; write backend, backend+norm or backend+norm+cal, without blanks"),
        (["set=xvector.training.chunk_frames=100"], "training.chunk_frames: [100] is too short; 2 are the least"),
        (["nj=12:30"], "nj: '12:30' is not of type 'integer'"),
        (["max_rejected=nan"], "max_rejected: nan is no finite number"),
        (["set=xvector.training.lr=inf"], "training.lr: inf is no finite number"),
        (["seeds=1" + "0" * 30], "seeds.0: an integer of more than 9007199254740992 is too large"),
        (["name=2024-11"], "name: '2024-11' does not match '^[a-z0-9_]+\\\\Z'; it names files: write small letters"),
        (["name=x\n"], "it names files: write small letters"),
        (["recipe=voxcleb"], "recipe: 'voxcleb' is none of custom, librispeech, mini, voxceleb; the nearest is 'vox"),
        (["recipe=../recipes/mini"], "recipe: '../recipes/mini' is none of"),
        (["models=xvectr"], "xvectr.yaml: no such file; the nearest model of the recipe is 'xvector'"),
        (["models=[xvector, a/xvector.yaml]"], "models: two runs are named xvector"),
        (["models=a/X-1.yaml"], "a/X-1.yaml: its name is its run's: small letters, digits and _ only; rename the file"),
        (["models=a/none.yaml"], "a/none.yaml: no such file"),
        (["models=a/none"], "models.0: 'a/none' does not match"),
        (["systems=plda"], "there are cosine, cosine_centred, lda_plda; 'plda' is a type, of which backends:"),
    ],
)  # fmt: skip
def test_sentences_say_what_to_type(entries: list[str], sentence: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/xvector.yaml").write_text((RECIPES / "mini/models/xvector.yaml").read_text())
    with pytest.raises(SreError) as caught:
        loaded(*entries)
    assert sentence in str(caught.value)


def test_a_model_that_is_not_run_is_named() -> None:
    entries = ["recipe=voxceleb", "models=xvector", "set=ecapa512.training.lr=1"]
    with pytest.raises(SreError, match="ecapa512: no model of this run, which are xvector; add it to models"):
        loaded(*entries)


@pytest.mark.parametrize("entry", ["xvector=3", "set=ecapa512.training.lr=1", "models=[[xvector]]", "models={}"])
def test_one_fault_is_one_problem(entry: str) -> None:
    with pytest.raises(SreError) as caught:
        loaded("recipe=voxceleb", "models=xvector", entry)
    assert len(str(caught.value).split("\n  ")[-1].splitlines()) == 1 and str(caught.value).count("unknown") == 0


def test_a_second_config_option_is_refused() -> None:
    """Snakemake takes the last without a word."""
    for twice in (["--config", "a=1", "--config", "b=2"], ["-C", "a=1", "-n", "--config=b=2"], ["-nC", "a=1", "-Cb=2"]):
        with pytest.raises(SreError, match="--config is given 2 times, and Snakemake takes the last; write all behind"):
            check_once(twice)
    check_once(["-n", "--configfile", "a", "--config", "a=1", "-sMyC", "--", "--config"])


def test_what_snakemake_ends_on_before_it_reads_the_snakefile(tmp_path: Path) -> None:
    check_command(["-n", "--config", "name=x", "set=xvector.training.lr=1"])
    with pytest.raises(SreError, match="takes no such key; write set=xvector.training.lr=1$"):
        check_command(["-n", "--config", "name=x", "xvector.training.lr=1"])
    with pytest.raises(SreError, match="takes no such value; write set=corpus=#x$"):
        check_command(["-n", "--config", "name=", "primary_system=''", "corpus=#x"])
    for entry, cure in (("nj =3", "set=nj=3"), ("=3", "KEY=VALUE")):
        with pytest.raises(SreError, match=f"takes no such key; write {cure}$"):
            check_command(["--config", entry])
    with pytest.raises(SreError, match="none.yaml: no such file"):
        check_command(["--configfile", str(tmp_path / "none.yaml"), "--config", "a=1"])


def test_targets_that_are_no_rules() -> None:
    rules = ["train", "score", "all"]
    check_targets(["-j8", "exp/mini/report.tsv", "--until", "train", "--config", "name=x", "-R", "score"], rules)
    for wrong in (
        ["trian"],
        ["--until=trian"],
        ["-n", "-R", "trian"],
        ["-O", "trian", "-c1"],
        ["--", "trian"],
    ):
        with pytest.raises(SreError, match="^'trian' is no stage and no rule; the nearest is 'train'. Stages: data "):
            check_targets(wrong, rules)


def test_entries_are_merged() -> None:
    schema = Schema(RECIPES / "config.schema.yaml")
    entries = ["audio={resample: yes}", "set=audio.sample_rate=8000", "name=a", "name=a"]
    assert read_entries(schema, entries) == {"audio": {"resample": "yes", "sample_rate": "8000"}, "name": "a"}
    for more, key in (("name=b", "name"), ("set=audio.resample=no", "audio.resample"), ("audio=", "audio")):
        with pytest.raises(SreError, match=f"--config {more}: {key} is given another value before; leave one out"):
            read_entries(schema, [*entries, more])


def test_in_a_dry_run(tmp_path: Path) -> None:
    """What was typed gets through Snakemake, and its names of stages are checked."""

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "-n", "-p", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    said = run("--until", "train", "--config", "name=2024_11", "set=xvector.training.lr=0.0123", "set=nj=3")
    assert "exp/2024_11/xvector/final.pt" in said and '"lr":0.0123' in said and "--shard 3/3" in said
    assert "error: 'trian' is no stage and no rule; the nearest is 'train'" in run("--until", "trian")
    (tmp_path / "latin.yaml").write_bytes("name: Größe".encode("latin-1"))
    assert "error: latin.yaml:1: not UTF-8 text" in run("--configfile", "latin.yaml")  # by the profile


def test_the_schema_s_own_yaml_is_read_alike() -> None:
    """By PyYAML's rules and by ours: none of it is written in a way that they tell apart."""
    import yaml

    assert read_yaml(RECIPES / "config.schema.yaml") == yaml.safe_load((RECIPES / "config.schema.yaml").read_text())


def test_commands_of_the_readmes_are_understood(monkeypatch, tmp_path: Path) -> None:
    """All that they show behind --config, without what is optional."""
    pages = [ROOT / "README.md", *sorted(RECIPES.glob("*/README.md"))]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_xvector.yaml").write_text((RECIPES / "mini/models/xvector.yaml").read_text())
    shown = 0
    text = "\n".join(page.read_text() for page in pages).replace("/home/me/", "./").replace("\\\n", "")
    for line in text.splitlines():
        if found := re.match(r"(?:snakemake .*?|.*`snakemake .*?)--config ([^`#]*)", line):
            words = [word for word in shlex.split(found[1]) if not word.startswith(("[", "--"))]
            files = tuple(ROOT / name for name in re.findall(r"recipes/\S+[.]yaml", line))
            assert loaded(*words, files=files).runs, line
            shown += 1
    assert shown > 9
