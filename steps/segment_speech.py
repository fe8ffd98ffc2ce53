"""A data directory of the stretches of speech in another one's utterances: wav.scp and segments; no sound is copied.

e.g.: python -m steps.segment_speech data/calls data/calls_speech --vad '{"type": "silero"}' --num-workers 8
      python -m steps.segment_speech data/calls data/calls_speech --min-silence 0.5

Utterances without speech, or whose sound cannot be used, are in OUT/rejected.tsv. For use by hand: no rule calls it.
"""

from sre.cli.arguments import Parser
from sre.cli.data_sound import add_segment_options, find_segments
from sre.machine.log import run


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    add_segment_options(parser)
    find_segments(**vars(parser.parse_args(argv)))


if __name__ == "__main__":
    run(main)
