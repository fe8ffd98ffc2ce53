"""`sre serve`: a page in the browser of this machine, to record or choose audio, compare, enrol and identify.

sre serve model.sre voices.db                 # prints an address; open it in a browser here
sre serve model.sre                           # compares recordings, and enrols nobody
sre serve exp/mini/xvector/final.pt --port 0  # any port that is free

The address has a token, without which nothing is answered. Only this machine can reach it. Ctrl-C ends it.
Of recordings with several channels the mean is taken, if --channel says no other.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sre.cli.arguments import input_file, output_file, whole
from sre.cli.embed import add_listening_options

PORT = 8765


def add(commands: argparse._SubParsersAction, text: str) -> None:
    """Add the verb to the command line."""
    parser = commands.add_parser("serve", help=text, description=__doc__)
    parser.add_argument("model", metavar="MODEL", type=input_file, help="model.sre, or a training's final.pt")
    voices = "the file of voices, which is made with the first that is enrolled"
    parser.add_argument("database", metavar="DB", nargs="?", type=output_file, help=voices)
    port = f"of 127.0.0.1; 0: any that is free (default: {PORT})"
    parser.add_argument("--port", type=whole(0, 65535), default=PORT, metavar="N", help=port)
    add_listening_options(parser)
    parser.set_defaults(do=serve)


def serve(model: Path, database: Path | None, port: int, channel: str | None, device: str, threads: int) -> None:
    """Serve until Ctrl-C. Raises SreError for a model, a file of voices or a port that cannot be used."""
    from sre.machine.device import choose_device, prepare
    from sre.machine.log import say
    from sre.voices.desk import VoicesDesk
    from sre.voices.model import load
    from sre.voices.web import Server

    on = choose_device(device)
    prepare(on, threads)
    desk = VoicesDesk(load(model, on), database, channel or "mix")
    desk.info()  # what is wrong with the file of voices is said now
    with Server(desk, port) as server:
        print(server.url, flush=True)
        say("open this address in a browser on this machine; Ctrl-C ends it")
        server.serve_forever()
