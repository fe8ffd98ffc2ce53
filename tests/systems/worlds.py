"""The folders in which the commands of docs/systems.md are tested: a function a system, of the name of its config.

A function is given a scratch checkout of the project, beside which ../shared stands. The commands of its section then
run there, in the page's order. It does what makes them short, and returns a World:

- The models of the checkout are its own. `change(project / "recipes/systems/models/x.yaml", training={"epochs": 1})`
  replaces keys of a YAML. Where a user has a corpus, give a small one.
- World.places: a place that the page writes -> the one that the test has, as
  {"/data/LibriSpeech": str(CORPORA / "LibriSpeech")}. What begins with /data/ in a command must be in one of them.
- World.config: KEY=VALUE entries that each snakemake command gets in front of those of its own --config.

What a command names otherwise is relative to the project's root. -jN of the page is -j2 in the test. A command has to
exit with 0. The commands of a section together may take about 75 s.
"""

import pickle
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
import torch
import yaml
from workflow.checkouts import CORPORA

from sre.io.record import read_record
from sre.io.tables import invert, read_table, read_utt2spk
from sre.io.yaml_text import merged, read_yaml


@dataclass(frozen=True)
class World:
    """What differs between the page's commands and those that are tested."""

    places: dict[str, str] = field(default_factory=dict)
    config: list[str] = field(default_factory=list)


def change(path: Path, **keys: object) -> None:
    """Replace keys of a YAML file; mappings are merged."""
    path.write_text(yaml.safe_dump(merged(read_yaml(path), keys)), encoding="utf-8")


# Section 1 of the page


def speakernet(project: Path) -> World:
    """Return the world of the section on SpeakerNet: readers to train on and to test, a list of files."""
    excerpt = project.parent / "LibriSpeech"
    for part, speakers in (("train-clean-100", 12), ("test-other", 10)):
        (excerpt / part).mkdir(parents=True)
        for folder in sorted((CORPORA.resolve() / "LibriSpeech" / part).iterdir())[:speakers]:
            (excerpt / part / folder.name).symlink_to(folder)
    files = sorted(map(str, (excerpt / "test-other").glob("*/*/*.flac")))
    listed = project.parent / "wavs.txt"
    listed.write_text("".join(f"{file}\n" for file in files))
    shared = {"options": {"channels": 16, "pooled_channels": 32, "embedding_dim": 16}, "validation": {"speakers": 0}}
    for model in ("speakernet_l_small", "speakernet_m_small"):
        length = {"steps": 4, "interval": 2, "batch_size": 8}
        change(project / f"recipes/systems/models/{model}.yaml", training=length, **shared)
    for model in ("speakernet_frozen", "speakernet_tuned"):
        change(project / f"recipes/systems/models/{model}.yaml", training={"epochs": 1, "warmup_epochs": 0}, **shared)
    places = {"/data/LibriSpeech": str(excerpt), "/data/wavs.txt": str(listed)}
    places["/data/musan"] = str(CORPORA.resolve() / "musan-layout")
    return World(places, ["nj=1", "bootstrap={replicates: 20}", "systems=[cosine]"])


# Section 2 of the page


def scratch_lstm(project: Path) -> World:
    """Return the world of the section on LSTM from scratch: a few readers, and lists of their files."""
    there, systems = project.parent, project / "recipes/systems"
    for model in ("lstm_last", "blstm_mean", "scratch_transformer", "lstm_last_small"):
        change(systems / f"models/{model}.yaml", training={"steps": 8, "interval": 4, "batch_size": 12})
    models = ["recipes/systems/models/lstm_last_small.yaml"]
    change(systems / "scratch_lstm.yaml", models=models, systems=["cosine"], development={"speakers": 0})
    for part, readers, files in (("train-clean-100", 12, 1), ("test-other", 4, 4)):
        for reader in sorted((CORPORA / "LibriSpeech" / part).iterdir())[:readers]:
            for file in sorted(reader.rglob("*.flac"))[:files]:
                link = there / "LibriSpeech" / file.relative_to(CORPORA / "LibriSpeech")
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(file.resolve())
                if part == "test-other":
                    copy = there / "CN-Celeb" / reader.name / f"{file.stem}.wav"  # at 8 kHz, two channels
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    sound = soundfile.read(file)[0][::2]
                    soundfile.write(copy, np.column_stack([sound, sound]), 8000)
    lines = [f"{file.parent.name}, {file}\n" for file in sorted((there / "CN-Celeb").rglob("*.wav"))]
    (there / "train.csv").write_text("".join(lines[:8]))
    (there / "test.csv").write_text("".join(lines[8:]))
    encoder = torch.nn.LSTM(40, 64, 3, bidirectional=True).state_dict()
    state = {f"lstm.{key}": value for key, value in encoder.items()}
    torch.save({"encoder_state_dict": state, "losses": [0.1], "training_time": 1.0}, there / "saved_model.pt")
    names = ("LibriSpeech", "CN-Celeb", "train.csv", "test.csv", "saved_model.pt")
    return World({f"/data/{name}": str(there / name) for name in names}, ["nj=1"])


# Section 3 of the page


def voice_verification(project: Path) -> World:
    """Return the world of the section on the voice verification: few updates, and a folder with its own lists."""
    few = {"batch_size": 8, "chunk_frames": [50, 50], "interval": 2, "steps": 4, "patience": 0}
    models = project / "recipes/systems/models"
    change(models / "resnetse34v2_small_am.yaml", options={"embedding_dim": 16}, training=few)
    change(models / "resnetse34v2_small_ap.yaml", training=few)
    change(
        models / "resnetse34v2_softmax_ap.yaml",
        options={"channels": 8},
        filter={"min_frames": 50, "min_utterances": 2},
        training={"epochs": 1, "patience": 0, "batch_size": 16, "chunk_frames": [50, 50]},
    )
    corpus, recordings = CORPORA.resolve() / "voxceleb1-layout", project.parent / "recordings"
    files: dict[str, list[str]] = {}
    for speaker in ("id10001", "id10004", "id10006"):
        folder = recordings / "wav" / speaker
        folder.mkdir(parents=True)
        for number, source in enumerate(sorted((corpus / "dev/wav" / speaker).glob("*/*.wav")), 1):
            (folder / f"{speaker}_{number}.wav").symlink_to(source)
            files.setdefault(speaker, []).append(f"wav/{speaker}/{speaker}_{number}.wav")
    one, two, three = files.values()
    trained = [f"{speaker},{file},4.2,wav" for speaker, some in files.items() for file in some]
    (recordings / "train.csv").write_text("\n".join(["ID,path,duration,audio_format", *trained, ""]))
    (recordings / "valid.csv").write_text(f"label,audio1,audio2\n1,{one[0]},{one[1]}\n0,{one[0]},{two[0]}\n")
    (recordings / "test.csv").write_text(f"audio_1,audio_2\n{two[0]},{two[1]}\n{two[0]},{three[0]}\n")
    (recordings / "truth.txt").write_text(f"1 {two[0]} {two[1]}\n0 {two[0]} {three[0]}\n")
    places = {"VoxCeleb1": corpus, "musan": CORPORA.resolve() / "musan-layout", "recordings": recordings}
    crops = "extraction={crops: 2, crop_frames: 50, unit_length: true}"
    return World({f"/data/{name}": str(path) for name, path in places.items()}, ["nj=1", crops])


# Section 4 of the page


def enhancement(project: Path) -> World:
    """Return the world of the section on the embedding enhancement: 16 speakers of VoxCeleb1's layout, few epochs."""
    systems = project / "recipes/systems"
    models = [f"recipes/systems/models/{name}.yaml" for name in ("extractor", "enhance_mse")]
    change(systems / "enhancement.yaml", models=models, systems=["cosine", "lda_half"])
    change(
        systems / "models/extractor.yaml",
        options={"channels": 8},
        training={"epochs": 1, "batch_size": 8},
        validation={"speakers": 3},
    )
    for name in ("mse", "triplet", "da_mse"):
        change(systems / f"models/enhance_{name}.yaml", training={"epochs": 3}, validation={"speakers": 3})
    change(systems / "models/enhance_da_mse.yaml", training={"batch_size": 32})
    places = {"/data/VoxCeleb1": str(CORPORA / "voxceleb1-layout"), "/data/LibriSpeech": str(CORPORA / "LibriSpeech")}
    return World(places, ["nj=1", "bootstrap={replicates: 10}"])


# Section 5 of the page


def dvector(project: Path) -> World:
    """Return the world of the section on the d-vector tutorial: pickles of its form, of ko-fbank40, and recordings.

    Of each speaker to test there is one enroll.p and one test.p; three are called as speakers of the tutorial.
    """
    pickles = project.parent / "feat_logfbank_nfilt40"
    for part, names, utterances in (("train", [], 6), ("eval", ["103F3021", "207F2088", "213F5100"], 4)):
        data = CORPORA.resolve() / "ko-fbank40" / part
        owned = invert(read_utt2spk(data / "utt2spk"))
        names = names or sorted(owned)[:10]
        places = {utt: str(data / Path(place).name) for utt, place in read_table(data / "feats.scp").items()}
        for name, utts in zip(names, owned.values(), strict=False):
            feats = {utt: read_record(utt, places[utt], "matrix") for utt in utts[:utterances]}
            if part == "eval":
                first, *others = feats.values()
                feats = {"test": first, "enroll": np.concatenate(others)}
            for file, matrix in feats.items():
                path = pickles / part.replace("eval", "test") / name / f"{file}.p"
                path.parent.mkdir(parents=True, exist_ok=True)
                content = {"feat": matrix.astype(np.float64), "label": name}
                path.write_bytes(pickle.dumps(content, protocol=3))
    change(
        project / "recipes/systems/models/dvector.yaml",
        options={"channels": 4},
        training={"epochs": 2, "batch_size": 8},
        validation={"utterances": 1},
    )
    recordings = CORPORA.resolve() / "voxceleb1-layout/dev/wav"
    places = {"/data/feat_logfbank_nfilt40": str(pickles), "/data/recordings": str(recordings)}
    short = ["nj=1", "bootstrap={replicates: 20}", "systems=[cosine, cosine+cal]", "identification={utterances: 1}"]
    return World(places, short)
