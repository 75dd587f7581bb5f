"""`voicechat devices`: the microphones and speakers this machine has."""

import dataclasses
from typing import Annotated

import typer


def devices(
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list on stdout.", show_default=False)] = False,
) -> None:
    """List microphones and speakers; a part of a name is enough for --input-device and --output-device."""
    from voicechat.audio.devices import Backend
    from voicechat.cli.tables import print_json, print_table

    backend = Backend()
    try:
        found = backend.devices()
    finally:
        backend.close()
    if as_json:
        print_json([dataclasses.asdict(device) for device in found])
        return
    if not found:
        from voicechat.errors import AudioError

        raise AudioError(
            "There is no sound device on this machine.",
            "Plug one in; without one, --input FILE and --output FILE still talk.",
        )
    rows = []
    for device in found:
        default = [word for word, is_it in (("in", device.default_input), ("out", device.default_output)) if is_it]
        kind = [word for word, count in (("mic", device.inputs), ("speaker", device.outputs)) if count]
        rows.append([device.name, " ".join(kind), f"{device.rate_hz}", device.host_api, " ".join(default)])
    print_table(["name", "kind", "Hz", "host API", "default"], rows)
