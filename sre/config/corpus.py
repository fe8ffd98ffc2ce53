"""What a recipe's data.smk makes: a split to train on, trial lists and, where there are any, other splits."""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from sre import SreError
from sre.config.conditions import SECONDS, Condition, asked_conditions

NAME = "[a-z0-9_]+"  # of splits and lists, which are wildcards of the rules
MADE_HERE = ("versions", "unheard")  # of a corpus, by keys of the recipe and not by its data.smk


@dataclass(frozen=True)
class TrialList:
    """A list of trials, data/trials/<name>.

    split : the split that its utterances belong to
    has_enroll_map : whether data/trials/<name>.enroll tells each model's utterances; else a model is an utterance
    condition : what was done to the utterances of another list's split, whose trials these are; None: nothing
    source : that other split; "" without a condition
    """

    name: str
    split: str
    has_enroll_map: bool = False
    condition: Condition | None = None
    source: str = ""

    def under(self, condition: Condition) -> "TrialList":
        """Return the list of the same trials under a condition."""
        name, split = f"{self.name}_{condition.suffix}", f"{self.split}_{condition.suffix}"
        return TrialList(name, split, self.has_enroll_map, condition, self.split)


@dataclass(frozen=True)
class Corpus:
    """The splits (folders of data/) and trial lists of a recipe.

    Attributes
    ----------
    train : split to train on
    lists : trial lists, at least one
    feats_only : splits that have feats.scp and no audio
    adapt : split of unlabelled data of the target domain, None for none
    notes : sentences for the report
    source : folder of data/ that the splits are parts of, whose losses the report shows; None: they are of none
    versions : of the development list, on which quality measures are calibrated; they are not scored as lists are
    unheard : split of utterances of training speakers that nothing is trained on; None: there is none
    noises : file that a rule makes last in a folder with noises of the recipe's own, `musan` and `RIRS_NOISES`; None:
        there are none
    """

    train: str
    lists: tuple[TrialList, ...]
    feats_only: tuple[str, ...] = ()
    adapt: str | None = None
    notes: tuple[str, ...] = ()
    noises: str | None = None
    source: str | None = None
    versions: tuple[TrialList, ...] = ()
    unheard: str | None = None

    @property
    def listed_splits(self) -> list[str]:
        """Return the splits of all lists, sorted; with a development list the split to train on is one of them."""
        return sorted({item.split for item in self.lists})

    @property
    def splits(self) -> list[str]:
        """Return all splits, sorted."""
        versions = [item.split for item in self.versions]
        others = [split for split in (self.adapt, self.unheard) if split]
        return sorted({self.train, *self.listed_splits, *others, *versions})

    @property
    def development(self) -> TrialList:
        """Return the list of pairs of training speakers, which a recipe with development.speakers has."""
        return TrialList(f"{self.train}_dev", self.train)

    def with_unheard(self, asked: Mapping[str, Any]) -> "Corpus":
        """Return the same corpus, trained on TRAIN_heard, with other utterances of its speakers in TRAIN_unheard.

        asked : the resolved `identification`. Raises SreError for a number of utterances that is not whole, and where
        a name is taken.
        """
        if asked["utterances"] >= 1 and asked["utterances"] != round(asked["utterances"]):
            raise SreError(
                f"identification.utterances: {asked['utterances']:g} is no whole number; give one, or a share"
            )
        heard, unheard = f"{self.train}_heard", f"{self.train}_unheard"
        if taken := sorted({heard, unheard} & {*self.splits}):
            raise SreError(f"identification: {taken[0]} is a split that the recipe has; rename that")
        feats_only = (*self.feats_only, *((heard, unheard) if self.train in self.feats_only else ()))
        whole = self.source or self.train
        return replace(self, train=heard, unheard=unheard, source=whole, feats_only=feats_only)

    def with_development(self) -> "Corpus":
        """Return the same corpus with its development list."""
        return replace(self, lists=(*self.lists, self.development))

    def with_triplets(self) -> "Corpus":
        """Return the same corpus with a list of random triplets of each split of its own lists.

        Raises SreError where a name is taken.
        """
        splits = dict.fromkeys(item.split for item in self.lists if item.condition is None)
        more = [TrialList(f"{split}_triplets", split) for split in splits]
        if taken := sorted({item.name for item in more} & {item.name for item in self.lists}):
            raise SreError(f"triplet_trials: {taken[0]} is a list that the recipe has; rename that")
        return replace(self, lists=(*self.lists, *more))

    def with_versions(self, asked: Mapping[str, Any], conditions: Mapping[str, Any]) -> "Corpus":
        """Return the same corpus with the versions of its development list that a resolved `quality` asks for.

        conditions : the resolved `conditions`, whose noises and seed hold here too; the files that these hold out of
            training are held out here too
        Raises SreError where there is no audio for noise, and where a name is taken.
        """
        listed = TrialList(self.development.name, self.development.name)  # the split of its utterances alone
        wanted = {**conditions, "snr": asked["snr"], "seconds": asked["seconds"], "rooms": [], "held_out": 0.0}
        more = tuple(listed.under(one) for one in asked_conditions(wanted, listed.name))
        if self.train in self.feats_only and asked["snr"]:
            raise SreError(f"quality.snr: {self.train} has features and no audio to add noise to; take it out")
        for item in more:
            if item.split in self.splits:
                raise SreError(f"quality: {item.split} is a split that the recipe has; rename that")
        return replace(self, versions=more)._with_features_of(more)

    def _with_features_of(self, more: Iterable[TrialList]) -> "Corpus":
        """Return the same corpus, where splits that are cut from features alone have features alone."""
        without_audio = {*self.feats_only, *([self.development.name] if self.train in self.feats_only else [])}
        cut = sorted({item.split for item in more if item.source in without_audio})
        return replace(self, feats_only=(*self.feats_only, *cut))

    def with_conditions(self, asked: Mapping[str, Any]) -> "Corpus":
        """Return the same corpus with the lists that a recipe's resolved `conditions` asks for.

        Without `lists` these are of all lists, and of those without audio in other lengths alone. Raises SreError where
        a list that is named is not there or has no audio for noise, where no list has, and where a name is taken.
        """
        known = {item.name: item for item in self.lists}
        for name in asked["lists"]:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1, 0.0)[0]
                raise SreError(f"conditions.lists: '{name}' is none of the trial lists; the nearest is '{near}'")
            if known[name].split in self.feats_only and (asked["snr"] or asked["rooms"]):
                raise SreError(f"conditions.lists: '{name}' has features and no audio to change; take it out")
        chosen = [known[name] for name in asked["lists"]] or self.lists
        more = [
            item.under(one)
            for item in chosen
            for one in asked_conditions(asked, item.name)
            if one.kind == SECONDS or item.split not in self.feats_only
        ]
        if (asked["snr"] or asked["rooms"]) and all(item.split in self.feats_only for item in chosen):
            raise SreError("conditions: no trial list has audio, only features; take snr and rooms out of conditions")
        for item in more:
            if item.name in known or item.split in self.splits:
                raise SreError(f"conditions: {item.name} of {item.split} is a name that the recipe has; rename that")
        return replace(self, lists=(*self.lists, *more))._with_features_of(more)


def read_corpus(parts: Mapping[str, Any], where: str) -> Corpus:
    """Return the corpus of the arguments that a data.smk, `where`, gives to corpus().

    Raises SreError, with all that is wrong, for parts that are missing, unknown or of another kind, and bad names.
    """
    known = [field.name for field in fields(Corpus) if field.name not in MADE_HERE]
    problems = [
        f"corpus() has no '{name}'; the nearest is '{difflib.get_close_matches(name, known, 1, 0.0)[0]}'"
        for name in parts
        if name not in known
    ]
    lists, train = parts.get("lists"), parts.get("train")
    if not train:
        problems.append("corpus() lacks train; write train='SPLIT', the split to train on")
    if not lists or isinstance(lists, str) or not all(isinstance(item, TrialList) for item in lists):
        problems.append("corpus() lacks lists; write lists=[TrialList('NAME', 'SPLIT')], one or more")
    for name in ("feats_only", "notes"):
        if not isinstance(parts.get(name, ()), list | tuple):
            problems.append(f"corpus(): {name} is {parts[name]!r}; write a list of texts")
    if problems:
        raise SreError("\n".join(f"{where}: {problem}" for problem in problems))
    parts = {name: tuple(value) if isinstance(value, list) else value for name, value in parts.items()}
    corpus = Corpus(**parts)
    names = [item.name for item in corpus.lists]
    for name in [*corpus.splits, *names, *corpus.feats_only]:
        if not re.fullmatch(NAME, name):
            problems.append(f"'{name}' names a split or a list; write it with small letters, digits and _ only")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        problems.append(f"two trial lists are named '{twice[0]}'; rename one")
    if strange := sorted({*corpus.feats_only} - {*corpus.splits}):
        problems.append(f"feats_only has '{strange[0]}', which is none of the splits {', '.join(corpus.splits)}")
    if problems:
        raise SreError("\n".join(f"{where}: {problem}" for problem in problems))
    return corpus
