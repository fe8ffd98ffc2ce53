"""Unheard utterances of training speakers, named by the classes of a network's loss, and by means of its embeddings."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sre import SreError
from sre.datadir.datadir import read_data_dir
from sre.datadir.unheard import in_heard_sessions
from sre.extraction.network import network_of
from sre.io.ids import check_known
from sre.models.bundle import load_bundle
from sre.scoring.identification import CLASSIFIER, NEAREST_MEAN, Scores, UnheardResult, to_means, unheard_result
from sre.scoring.read_cohort import read_training
from sre.voices.classifier import Classifier

NO_NETWORK = "it was not trained on these speakers here"


def of_unheard(
    heard: Path, unheard: Path, embeddings: Path, model: Path | None, before: Path | None, replicates: int
) -> UnheardResult:
    """Search for each utterance of a data directory among the training speakers.

    heard, unheard : data directories of utterances that were trained on, and of others of the same speakers
    embeddings : folder with <name of the data directory>.scp
    model : final.pt that was trained on them; None: all speakers are searched, by their means alone
    before : final.pt that was trained before, or that `model` started from
    Raises SreError where an embedding has no speaker, or a training speaker no embedding.
    """
    of_heard, of_unheard = (
        read_training([embeddings / f"{folder.name}.scp"], folder / "utt2spk") for folder in (heard, unheard)
    )
    assert of_heard.speakers is not None
    speakers = sorted({*of_heard.speakers.tolist()})
    scorers, reasons = dict[str, Scores](), {CLASSIFIER: NO_NETWORK}
    if model is not None:
        trained = load_bundle(model).speakers or []
        check_known(f"training speakers of {model}", trained, speakers, heard)
        speakers = sorted(trained)
        reasons = {}
        try:
            scorers[CLASSIFIER] = by_classes(model, speakers)
        except SreError as error:
            reasons[CLASSIFIER] = str(error).removeprefix(f"{model}: ")  # the result is of this very model
    scorers[NEAREST_MEAN] = to_means(of_heard, speakers)
    data = [read_data_dir(folder, every_table=True) for folder in (heard, unheard)]
    return replace(
        unheard_result(of_unheard, speakers, scorers, replicates),
        not_embedded=len(data[1].utts) - len(of_unheard),
        in_heard_sessions=in_heard_sessions(*data),
        reasons=reasons,
        remark=heard_before(before, speakers) if before else "",
    )


def by_classes(model: Path, speakers: Sequence[str]) -> Scores:
    """Return what scores (t, D) embeddings by the posteriors of S speakers, (t, S), without a prior of others.

    Raises SreError where the network has no class for each of them.
    """
    bundle = load_bundle(model, with_head=True)
    classifier = Classifier(bundle, network_of(bundle, model).eval(), model)
    columns = np.array([classifier.places[speaker] for speaker in speakers])
    return lambda vectors: classifier.classify(vectors).posteriors[:, columns]


def heard_before(before: Path, speakers: Sequence[str]) -> str:
    """Return a sentence where a network that was trained before has heard some of the speakers; else ""."""
    known = {*(load_bundle(before).heard or ())} & {*speakers}
    return known and f"{before} was trained on {len(known)} of the speakers, perhaps on these very utterances" or ""
