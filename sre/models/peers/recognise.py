"""Which toolkit's network a file holds: by what it says itself, never by a guess."""

from collections.abc import Callable

from sre import SreError
from sre.models.peers import clovaai, nemo, speechbrain, three_d_speaker, wang, wespeaker
from sre.models.peers.found import Found
from sre.models.peers.source import Source

TOOLKITS: dict[str, Callable[[Source], Found | None]] = {  # as --from names them
    "wespeaker": wespeaker.recognise,
    "speechbrain": speechbrain.recognise,
    "3dspeaker": three_d_speaker.recognise,
    "nemo": nemo.recognise,
    "clovaai": clovaai.recognise,
    "wang": wang.recognise,
}
SHARED = "asp.tdnn.conv.conv.weight", "xvector.block1.tdnnd1.linear1.weight"  # keys of more than one toolkit


def recognise(source: Source, toolkit: str | None = None) -> Found:
    """Return the network that a file holds; of one `toolkit`, where that was said.

    Raises SreError where nothing, or more than one toolkit, has such files.
    """
    try:
        return _recognised(source, toolkit)
    except (AttributeError, KeyError, TypeError, ValueError, ArithmeticError) as error:  # of a config with odd values
        reason = " ".join(str(error).split())[:100]
        raise SreError(
            f"{source.where}: what {source.config_name or 'its keys'} says has another form than toolkits write"
            f" ({reason}); get the files again"
        ) from None


def _recognised(source: Source, toolkit: str | None) -> Found:
    if toolkit == "3dspeaker":  # also of WeSpeaker's hub, with a config of WeSpeaker's
        found = three_d_speaker.recognise(source) or three_d_speaker.by_keys(source)
    elif toolkit:
        found = TOOLKITS[toolkit](source)
    elif not source.config and (both := [key for key in SHARED if key in source.state]):
        two = "SpeechBrain's and 3D-Speaker's" if both[0] == SHARED[0] else "WeSpeaker's and 3D-Speaker's"
        raise SreError(
            f"{source.where}: {two} networks have such tensors, on features that differ; give --from, or the"
            " folder with its config"
        )
    else:
        every = [one for known in TOOLKITS.values() if (one := known(source))]
        found = every[0] if len(every) == 1 else None
    if found is None:
        told = f"no {toolkit} network that is known here" if toolkit else "not recognised"
        raise SreError(
            f"{source.where}: {told}, by its keys{' or ' + source.config_name if source.config else ''}; give the"
            " folder with its config, --from, or of WeSpeaker's --as (docs/importing.md)"
        )
    return found
