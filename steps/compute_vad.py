"""VAD of features: vad.{ark,scp} (1 voiced, 0 not), utt2num_voiced and vad_rejected.tsv.

e.g.: python -m steps.compute_vad data/train/feats/mfcc30/feats.scp data/train/feats/mfcc30
      python -m steps.compute_vad data/train/feats/fbank80 data/train/feats/fbank80 --data data/train

The energy VAD works on the first column of MFCCs with energy, and on the audio of all other features (--data). A VAD of
`type: silero` always works on audio: python -m steps.compute_vad FEATS OUT --data DATA --config '{"type": "silero"}'
"""

from sre.cli.arguments import Parser, input_folder, output_folder, processes, share
from sre.cli.configs import ConfigArgument, audio_rules, config_argument, vad_config
from sre.machine.log import run
from steps.arguments import feats_scp


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument(
        "feats", type=feats_scp, help="feats.scp, or the folder it is in; without a config beside: MFCCs"
    )
    parser.add_argument("out", type=output_folder, help="folder for vad.scp")
    taken = "a YAML of VAD options, JSON text, or the config of features with a VAD (default: theirs, else energy)"
    parser.add_argument("--config", "--vad-config", type=config_argument, metavar="CONFIG", help=taken)
    parser.add_argument(
        "--max-rejected", type=share, default=0.01, metavar="SHARE", help="of utterances, without a voiced frame"
    )
    parser.add_argument("--data", type=input_folder, help="data directory of the features' audio")
    sound = "of that audio: resample, channel, allow_pipes: a YAML, as a recipe's config.yaml, or JSON text"
    parser.add_argument("--audio", type=config_argument, metavar="CONFIG", help=sound)
    parser.add_argument("--num-workers", "--nj", type=processes, default=1, metavar="N", help="processes that listen")
    column = "the first column is the log energy, whatever the config beside feats.scp says"
    parser.add_argument("--energy-column", action="store_true", help=column)
    args = parser.parse_args(argv)
    from sre.features.make_shards import read_checked
    from sre.features.store import read_config
    from sre.features.vad import Sound, make_vad

    beside = args.feats.parent / "config"
    made = read_config(beside) if beside.is_file() else {}
    asked = args.config or (ConfigArgument(str(beside), made) if made.get("vad") else None)
    heard = None
    if args.data and made:
        rules = audio_rules(args.audio, made.get("sample_rate"))
        heard = Sound(read_checked(args.data), rules, args.num_workers)
    make_vad(args.feats, args.out, vad_config(asked), args.max_rejected, heard, args.energy_column)


if __name__ == "__main__":
    run(main)
