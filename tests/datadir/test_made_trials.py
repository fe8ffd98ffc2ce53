"""Trial lists of a data directory, against what the rules say of each pair."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sre import SreError, cli
from sre.datadir import trials as module
from sre.datadir.datadir import DataDir, read_data_dir
from sre.datadir.trial_sides import TrialRules
from sre.datadir.trials import make_trials
from sre.datadir.triplets import draw_triplets
from sre.io.tables import read_table, write_table
from sre.io.trials import read_enroll_map, read_pairs, read_trials


@st.composite
def data_dirs(draw: st.DrawFn) -> DataDir:
    """Some speakers, of whom most have several utterances, with sessions and genders or without, in any order."""
    speakers = [f"s{place}" for place in range(draw(st.integers(2, 7)))]
    utt2spk = {
        f"{draw(st.sampled_from('abc'))}-{speaker}-{number}": speaker
        for speaker in speakers
        for number in range(draw(st.integers(1, 6)))
    }
    tables = {"utt2spk": dict(draw(st.permutations(sorted(utt2spk.items()))))}
    tables["wav.scp"] = {utt: f"{utt}.wav" for utt in utt2spk}
    if draw(st.booleans()):
        tables["utt2session"] = {utt: draw(st.sampled_from("xyz")) for utt in utt2spk}
    if draw(st.booleans()):
        tables["spk2gender"] = {speaker: draw(st.sampled_from("mf")) for speaker in speakers if draw(st.booleans())}
    return DataDir(Path("data"), tables)


RULES = st.builds(
    TrialRules,
    seed=st.integers(0, 3),
    per_speaker=st.none() | st.integers(1, 4),
    nontargets=st.none() | st.sampled_from([0.5, 1.0, 4.0, 100.0]),
    enrol=st.none() | st.integers(1, 3),
    models=st.integers(1, 2),
    other_sessions=st.booleans(),
    same_gender=st.booleans(),
)


def possible(data: DataDir, rules: TrialRules, models: dict[str, list[str]]) -> dict[tuple[str, str], bool]:
    """Each pair that the rules allow, by looking at all of them, and whether it is a target."""
    utt2spk, sessions = data.tables["utt2spk"], data.tables.get("utt2session") if rules.other_sessions else None
    gender = data.tables.get("spk2gender", {}) if rules.same_gender else {}
    enrolled = {utt for utts in models.values() for utt in utts} if rules.enrol else set()
    pairs = {}
    for model, utts in models.items():
        for test in utt2spk.keys() - enrolled:
            ours, theirs = utt2spk[utts[0]], utt2spk[test]
            if not rules.enrol and model >= test:
                continue
            if ours == theirs and not (sessions and sessions[test] in {sessions[utt] for utt in utts}):
                pairs[model, test] = True
            if ours != theirs and gender.get(ours) == gender.get(theirs):
                pairs[model, test] = False
    return pairs


@given(data_dirs(), RULES)
@settings(max_examples=80, deadline=None)
def test_a_list_is_what_its_rules_allow(tmp_path_factory, data: DataDir, rules: TrialRules) -> None:
    path = tmp_path_factory.mktemp("trials")
    patch = pytest.MonkeyPatch()
    patch.setattr(module, "AT_ONCE", 7)  # so that it is written in pieces
    try:
        made = make_trials(data, rules, path / "list", path / "map" if rules.enrol else None)
    except SreError as error:
        assert "trial can be made" in str(error)
        return
    finally:
        patch.undo()
    trials = read_trials(path / "list")
    models = read_enroll_map(path / "map", trials) if rules.enrol else {utt: [utt] for utt in data.utts}
    allowed = possible(data, rules, models)
    rows = list(zip(trials.enrol_ids[trials.enrol], trials.test_ids[trials.test], trials.target.tolist(), strict=True))
    assert rows == sorted(rows) and all(allowed[enrol, test] == target for enrol, test, target in rows)
    assert (made.targets, made.nontargets) == (trials.target.sum(), (~trials.target).sum())
    speaker = {model: data.tables["utt2spk"][utts[0]] for model, utts in models.items()}
    targets = Counter(speaker[enrol] for enrol, _, target in rows if target)
    most = Counter(speaker[enrol] for (enrol, _), target in allowed.items() if target)
    assert targets == {one: min(count, rules.per_speaker or count) for one, count in most.items()}
    others = sum(not target for target in allowed.values())
    wanted = others if rules.nontargets is None else min(others, round(rules.nontargets * sum(targets.values())))
    assert made.nontargets == wanted
    if rules.enrol:
        for model, utts in models.items():
            assert len(set(utts)) == rules.enrol and {data.tables["utt2spk"][utt] for utt in utts} == {speaker[model]}
        assert len({utt for utts in models.values() for utt in utts}) == rules.enrol * len(models)


def test_nontargets_are_of_each_speaker_about_equally(tmp_path: Path) -> None:
    utts = {f"s{speaker:02}-{number}": f"s{speaker:02}" for speaker in range(20) for number in range(2 + speaker)}
    data = DataDir(tmp_path, {"wav.scp": utts, "utt2spk": utts})
    make_trials(data, TrialRules(per_speaker=1, nontargets=20), tmp_path / "list")
    trials = read_trials(tmp_path / "list")
    met = Counter()
    for side, ids in ((trials.enrol, trials.enrol_ids), (trials.test, trials.test_ids)):
        met.update(str(name)[:3] for name in ids[side[~trials.target]])
    assert sum(met.values()) == 800 and len(met) == 20 and min(met.values()) >= 20


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    utts = [f"{speaker}{number}" for speaker in "ABCD" for number in range(4)]
    write_table(tmp_path / "data/wav.scp", {utt: f"{utt}.wav" for utt in utts})
    write_table(tmp_path / "data/utt2spk", {utt: utt[0] for utt in utts})
    write_table(tmp_path / "data/utt2chapter", {utt: str(int(utt[1]) // 2) if utt[0] != "D" else "0" for utt in utts})
    write_table(tmp_path / "data/spk2gender", dict.fromkeys("ABC", "f"))
    where = [f"{tmp_path}/data", f"{tmp_path}/list"]
    cli.main(["data", "trials", *where])
    told = capsys.readouterr().err
    assert "1 speakers have no target trial, for want of a second utterance or session, e.g. D" in told
    assert "12 target and 48 nontarget trials, of 4 speakers, 16 test utterances" in told
    cli.main(["data", "trials", "--same-session", "--cross-gender", "--unlabelled", *where])
    assert read_pairs(tmp_path / "list").target is None and len(read_pairs(tmp_path / "list")) == 16 * 15 // 2
    enrolled = ["--enrol", "2", "--enroll-map", f"{tmp_path}/map"]
    cli.main(["data", "trials", *enrolled, "--nontargets", "2", *where])
    assert list(read_table(tmp_path / "map")) == ["A", "B", "C", "D"]
    first = (tmp_path / "list").read_bytes()
    cli.main(["data", "trials", *enrolled, "--nontargets", "2", "--seed", "2", *where])
    assert first != (tmp_path / "list").read_bytes()
    for name in ("utt2spk", "utt2chapter", "wav.scp"):
        (tmp_path / "data" / name).write_text("".join(sorted(
            (tmp_path / "data" / name).read_text().splitlines(keepends=True), key=lambda line: line[::-1]
        )))  # fmt: skip
    cli.main(["data", "trials", *enrolled, "--nontargets", "2", *where])
    assert first == (tmp_path / "list").read_bytes()
    capsys.readouterr()
    with pytest.raises(SystemExit):
        cli.main(["data", "trials", "--enrol", "2", *where])
    assert "--enrol N and --enroll-map FILE belong together" in capsys.readouterr().err


def test_utterances_of_nobody_give_pairs_without_labels(tmp_path: Path) -> None:
    write_table(tmp_path / "wav.scp", {utt: f"{utt}.wav" for utt in "abc"})
    data = read_data_dir(tmp_path, need_speakers=False, every_table=True)
    made = make_trials(data, TrialRules(labelled=False), tmp_path / "list")
    assert (tmp_path / "list").read_text() == "a b\na c\nb c\n" and made.remarks == []
    with pytest.raises(SreError, match="no target trial can be made of its 3 speakers and 3 utterances"):
        make_trials(data, TrialRules(), tmp_path / "list")


def test_triplets_are_drawn_uniformly_over_speakers() -> None:
    """Shares of the speakers, of speaker pairs, and of a speaker's pairs, by what each should be."""
    speakers = np.array([0, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3])
    found, total = Counter(), 4000
    for seed in range(total):
        ((a, p, n),) = draw_triplets(speakers, 1, seed).tolist()
        assert a != p and speakers[a] == speakers[p] != speakers[n]
        found.update([("anchor", speakers[a]), ("pair", speakers[a], speakers[n]), ("utterances", a, p), ("other", n)])
    expected = {("anchor", 2): 1 / 3, ("anchor", 0): 0, ("pair", 3, 0): 1 / 9, ("pair", 1, 3): 1 / 9}
    expected |= {("utterances", 2, 1): 1 / 6, ("utterances", 3, 5): 1 / 18, ("other", 0): 1 / 3, ("other", 12): 2 / 63}
    for event, share in expected.items():
        assert found[event] / total == pytest.approx(share, abs=4 * np.sqrt(share / total))


@given(st.lists(st.integers(1, 6), min_size=2, max_size=5), st.integers(1, 60), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_no_two_triplets_share_a_trial(sizes: list[int], count: int, seed: int) -> None:
    speakers = np.repeat(np.arange(len(sizes)), sizes)
    if max(sizes) < 2:
        return
    triplets = draw_triplets(speakers, count, seed)
    pairs = [frozenset(pair) for a, p, n in triplets.tolist() for pair in ((a, p), (a, n))]
    assert len(set(pairs)) == len(pairs) == 2 * len(triplets) and len(triplets) <= count
    targets = sum(size * (size - 1) // 2 for size in sizes)
    others = (len(speakers) ** 2 - sum(size**2 for size in sizes)) // 2
    assert len(triplets) == count or 4 * count > min(targets, others)


def test_a_list_of_triplets(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    utts = {f"{speaker}{number:02}": speaker for speaker in "CAB" for number in range(10)} | {"D00": "D"}
    write_table(tmp_path / "data/wav.scp", {utt: f"{utt}.wav" for utt in utts})
    write_table(tmp_path / "data/utt2spk", utts)
    write_table(tmp_path / "data/utt2session", dict.fromkeys(utts, "one"))  # which is not looked at
    where = [f"{tmp_path}/data", f"{tmp_path}/list"]
    cli.main(["data", "trials", "--triplets", "30", *where])
    told = capsys.readouterr().err
    assert "1 speakers have one utterance and are no anchors, e.g. D" in told
    assert "30 target and 30 nontarget trials, of 4 speakers, " in told
    lines = (tmp_path / "list").read_text().splitlines()
    assert lines == sorted(lines) and len(lines) == 60
    anchors = Counter((line.split()[0], line.split()[2]) for line in lines)
    assert all(anchors[name, "target"] == anchors[name, "nontarget"] for name, _ in anchors)
    first = (tmp_path / "list").read_bytes()
    cli.main(["data", "trials", "--triplets", "30", "--seed", "2", where[0], f"{tmp_path}/other"])
    cli.main(["data", "trials", "--triplets", "30", where[0], f"{tmp_path}/again"])
    assert (tmp_path / "other").read_bytes() != first == (tmp_path / "again").read_bytes()
    cli.main(["data", "trials", "--triplets", "500", where[0], f"{tmp_path}/most"])
    assert "500 triplets were asked; 10000 draws gave 135 without a trial twice" in capsys.readouterr().err
    for more in (["--same-session"], ["--per-speaker", "3"], ["--unlabelled"]):
        with pytest.raises(SystemExit):
            cli.main(["data", "trials", "--triplets", "5", *more, where[0], f"{tmp_path}/no"])
        assert "--triplets goes with --seed alone" in capsys.readouterr().err
    write_table(tmp_path / "data/utt2spk", {utt: utt for utt in utts})
    with pytest.raises(SystemExit):
        cli.main(["data", "trials", "--triplets", "5", where[0], f"{tmp_path}/no"])
    assert "a triplet is of two speakers, one with two utterances" in capsys.readouterr().err
