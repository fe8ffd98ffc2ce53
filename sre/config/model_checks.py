"""What the schema cannot say of a model's YAML: keys that do not go together."""

from collections.abc import Collection

from sre import SreError
from sre.config.distort import check_distort
from sre.config.schema import Schema, works_on

WITH_SOFTMAX = ("softmax", "target_mse_softmax")  # losses whose weights are those of a plain softmax


def check_source(schema: Schema, model: dict, features: dict, where: str) -> None:
    """Check what a training reads. Raises SreError where its features, of the config `features`, are not for that."""
    check_vectors_only(schema, model, where)
    check_sampler(schema, model, where)
    if model.get("embeddings_of"):
        raise SreError(f"{where}: embeddings_of would do nothing without source: embeddings; set that, or take it away")
    _check_reads(schema, model, features["type"], where)
    if model.get("source", "features") == "audio":
        _check_audio(schema, model, features, where)
        check_distort(schema, model["augment"].get("distort", []), f"{where}: augment.distort")
    else:
        _check_speeds(schema, model, features, where)
        if model["augment"].get("distort"):
            raise SreError(f"{where}: augment.distort is of waveforms; set source: audio, or take it away")


def check_embeddings(schema: Schema, model: dict, where: str) -> None:
    """Check a network on embeddings. Raises SreError where it names none, or asks for what vectors do not have."""
    check_sampler(schema, model, where)
    _check_reads(schema, model, "embeddings", where)
    _check_start(schema, model, where)
    if not model.get("embeddings_of"):
        raise SreError(f"{where}: source: embeddings needs embeddings_of, the name of another model; write it")
    if model.get("features"):
        raise SreError(f"{where}: source: embeddings reads no features; take features: {model['features']} away")
    augment = model["augment"]
    for key in ("speeds", "time_masks", "freq_masks", "distort"):
        if augment.get(key):
            raise SreError(f"{where}: augment.{key} would do nothing to embeddings; take it away")


def _check_reads(schema: Schema, model: dict, kind: str, where: str) -> None:
    """Check a network, and its masks, against the type of what it reads; that of features from elsewhere is not known.

    Raises SreError where they do not go together.
    """
    known = schema.part("$defs", "features", "properties", "type")["enum"]
    name, masks = model["architecture"], model["augment"]["freq_masks"]
    types = schema.part("$defs", "architectures", name).get("x-types", [kind])
    if kind not in types and kind in (*known, "embeddings"):
        raise SreError(
            f"{where}: {name} reads features of type {' or '.join(types)}, and not {kind}; name such features, e.g."
            f" features: {{{types[0]}: {{type: {types[0]}}}}} in the recipe's config"
        )
    if masks and kind in known and kind not in works_on(schema, "model", "augment", "freq_masks"):
        raise SreError(f"{where}: augment.freq_masks masks columns, which of a {kind} are samples; take it out")


def check_vectors_only(schema: Schema, model: dict, where: str) -> None:
    """Raise SreError where a model that reads no embeddings has keys that are for these."""
    loss = model["loss"]["type"]
    idle = {
        f"loss {loss}": schema.part("$defs", "losses", loss).get("x-needs-inputs"),
        "head: extractor": model.get("head") == "extractor",
        "validation.lists": model["validation"].get("lists"),
    }
    for key in [key for key, asked in idle.items() if asked]:
        raise SreError(f"{where}: {key} is for networks on embeddings; set source: embeddings, or take it away")


def _check_start(schema: Schema, model: dict, where: str) -> None:
    """Raise SreError where a loss cannot start from the extractor's, or a speaker would give no target."""
    loss = model["loss"]["type"]
    if model.get("head") == "extractor" and loss not in WITH_SOFTMAX:
        raise SreError(
            f"{where}: head: extractor is the start of a softmax, and loss {loss} has none; set loss.type"
            f" {' or '.join(WITH_SOFTMAX)}, or take head away"
        )
    if schema.part("$defs", "losses", loss).get("x-needs-inputs") and model["filter"]["min_utterances"] < 2:
        raise SreError(
            f"{where}: filter.min_utterances 1 leaves speakers with one utterance, whose target would be of nothing;"
            " set 2 or more"
        )


def _check_speeds(schema: Schema, model: dict, features: dict, where: str) -> None:
    """Raise SreError where chunks of features are to change their speed, and cannot."""
    types, kind = works_on(schema, "model", "augment", "speeds"), features["type"]
    if not model["augment"]["speeds"]:
        return
    if kind in types:
        for key, have in (("delta_order", "have deltas beside them"), ("cmn_variance", "have each its own scale")):
            if features.get(key, "none") not in (0, "none"):
                raise SreError(
                    f"{where}: augment.speeds moves mel bands, those of '{model['features']}' {have}; take the speeds"
                    f" or {key} away, or set source: audio"
                )
        return
    what, cure = kind, f"name features of type {' or '.join(types)}, or take augment.speeds away"
    if kind not in schema.part("$defs", "features", "properties", "type")["enum"]:
        what, cure = "of an unknown kind", "put the config that made them beside feats.scp, or take the speeds away"
    raise SreError(f"{where}: augment.speeds works on {', '.join(types)}, '{model['features']}' are {what}; {cure}")


def _check_audio(schema: Schema, model: dict, features: dict, where: str) -> None:
    """Raise SreError where features cannot be made of pieces of audio as the network is to see them."""
    if features["type"] not in schema.part("$defs", "features", "properties", "type")["enum"]:
        raise SreError(
            f"{where}: source: audio makes features, and '{model['features']}' come from elsewhere; name others"
        )
    if features["vad"] is not None:
        raise SreError(
            f"{where}: source: audio and the vad of '{model['features']}' do not go together, since a piece of audio"
            " has no VAD of its utterance; set vad: null, or source: features"
        )
    if (features.get("trim") or {}).get("level_db") is not None:
        raise SreError(
            f"{where}: source: audio does not know the quiet ends of whole utterances, which trim.level_db of"
            f" '{model['features']}' cuts off; take level_db away, or set source: features"
        )
    if features.get("cmn") == "utterance" and not model["training"]["chunk_cmn"]:
        raise SreError(
            f"{where}: source: audio knows a piece and not its utterance's mean; set training.chunk_cmn: true"
        )


def check_part(part: dict | None, where: str) -> None:
    """Raise SreError where a part of the speakers is beyond the last."""
    if part and part["part"] > part["of"]:
        raise SreError(f"{where}: part {part['part']} of {part['of']} is none; write 1 to {part['of']}")


def check_ranges(model: dict, where: str) -> None:
    """Raise SreError where the least of something is above its greatest."""
    augment, (least, most) = model["augment"], model["training"]["chunk_frames"]
    if least > most:
        raise SreError(f"{where}: training.chunk_frames is [{least}, {most}]; write the least first")
    for low, high in (("time_mask_least", "time_mask_frames"), ("freq_mask_least", "freq_mask_bins")):
        if augment.get(low, 0) > augment[high]:
            raise SreError(f"{where}: augment.{low} is above augment.{high} ({augment[high]}); lower it")


def check_loss(schema: Schema, loss: str, keys: Collection[str], training: dict, where: str) -> None:
    """Check a model's loss. Raises SreError where one of its `keys` would do nothing, or where it needs batches."""
    traits = schema.part("$defs", "losses", loss)
    needs = {key: key for key in ("scale", "margin", "sampled", "sharded")}
    needs |= {"margin_epochs": "margin", "margin_schedule": "margin"}
    idle = [f"loss.{key}" for key, needed in needs.items() if key in keys and needed not in traits.get("x-takes", ())]
    if idle:
        raise SreError(f"{where}: {' and '.join(idle)} would do nothing, as loss {loss} has no such thing; take it out")
    triplets = training.get("sampler") == "triplets"  # whose loss is checked by check_sampler
    if traits.get("x-needs-batches") and training["chunks_per_speaker"] < 2 and not triplets:
        raise SreError(
            f"{where}: loss {loss} compares chunks within a batch; set training.chunks_per_speaker to 2 or more"
        )


def check_sampler(schema: Schema, model: dict, where: str) -> None:
    """Check who is in a batch, against the loss. Raises SreError where they do not go together."""
    loss, training = model["loss"], model["training"]
    sampler, given = training.get("sampler", "utterances"), loss["options"].get("mining") == "given"
    if given != (sampler == "triplets"):
        raise SreError(
            f"{where}: training.sampler triplets and loss triplet with loss.options.mining given need each other;"
            " set both, or none"
        )
    size, of_speaker = training["batch_size"], training["chunks_per_speaker"]
    if (sampler == "sessions") != bool(schema.part("$defs", "losses", loss["type"]).get("x-needs-sessions")):
        raise SreError(
            f"{where}: training.sampler sessions and losses session_mmd_* need each other; set both, or none"
        )
    if sampler == "sessions" and (of_speaker % 4 or size % of_speaker):
        raise SreError(
            f"{where}: training.sampler sessions has pairs of one session and of two, so that chunks_per_speaker is a"
            f" multiple of 4, and batch_size one of that; they are {of_speaker} and {size}"
        )
    if sampler == "triplets" and size % 3:
        raise SreError(f"{where}: training.batch_size {size} is no multiple of 3, as triplets need; change it")
    if sampler == "utterances" and of_speaker and (size % of_speaker or size < 2 * of_speaker):
        raise SreError(
            f"{where}: training.batch_size {size} is not 2 or more times training.chunks_per_speaker {of_speaker};"
            " change one"
        )
    for key in ("chunks_per_speaker", "utterances_per_speaker"):
        taken = sampler == "utterances" or (sampler, key) == ("sessions", "chunks_per_speaker")
        if not taken and training.get(key):
            raise SreError(f"{where}: training.{key} would do nothing with sampler {sampler}; take one of them out")


def check_update(schema: Schema, model: dict, where: str) -> None:
    """Check the parts in which a batch is computed. Raises SreError where they are not equal, or too small."""
    training, loss = model["training"], model["loss"]["type"]
    parts, size = training.get("accumulate", 1), training["batch_size"]
    if parts == 1:
        return
    if schema.part("$defs", "losses", loss).get("x-needs-batches"):
        raise SreError(
            f"{where}: training.accumulate computes a batch in parts, and loss {loss} compares chunks of a whole one;"
            " take accumulate out"
        )
    if size % parts or size < 2 * parts:
        raise SreError(
            f"{where}: training.accumulate {parts} does not divide training.batch_size {size} into equal parts of 2 or"
            " more chunks; change one"
        )
