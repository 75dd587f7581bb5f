"""`voicechat providers`: which services are set up, what is missing, and where it was looked for."""

from pathlib import Path
from typing import Annotated, Any

import typer

from voicechat.cli.tables import print_json, print_table
from voicechat.cli.telling import tell


def providers(
    config: Annotated[Path | None, typer.Option("--config", help="Configuration file.", metavar="FILE")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array on stdout.")] = False,
) -> None:
    """Show which services are set up, which key is missing and where it was looked for."""
    from voicechat.config import choose_provider, load

    loaded = load(config)
    chosen = choose_provider(loaded)
    entries = _entries(loaded, chosen.name)
    if as_json:
        print_json(entries)
        return
    rows = []
    for entry in entries:
        if entry["configured"]:
            state = "ready"
            detail = ", ".join(f"{name.replace('api_key', 'key')} from {at}" for name, at in entry["origins"].items())
        else:
            state = "no " + ", no ".join(gap["what"] for gap in entry["missing"])
            detail = "looked for " + ", ".join(where for gap in entry["missing"] for where in gap["looked_in"])
        rows.append(["→" if entry["selected"] else "", entry["name"], state, detail or entry["title"]])
    print_table(["", "provider", "state", "where"], rows)
    for entry in entries:
        if entry["selected"]:
            tell(f"→ in use: {entry['name']} · {chosen.options.model} · {chosen.options.voice}")
        elif not entry["configured"] and entry["key_url"]:
            tell(f"  a key for {entry['name']}: {entry['key_url']}")
    if chosen.name != "offline":  # why it is that one, the table has just shown
        for note in chosen.notes:
            tell(note)


def _entries(loaded: Any, selected: str) -> list[dict[str, Any]]:
    from voicechat.config import missing_settings
    from voicechat.providers.catalogue import providers as catalogue

    entries = []
    for name, info in catalogue().items():
        missing = missing_settings(loaded, info)
        origins = {
            setting: loaded.origins[f"providers.{name}.{setting}"]
            for setting in (*info.any_of, *info.all_of)
            if f"providers.{name}.{setting}" in loaded.origins
        }
        entries.append(
            {
                "name": name,
                "title": info.title,
                "kind": info.kind,
                "configured": not missing,
                "selected": name == selected,
                "missing": [{"what": gap.what, "looked_in": list(gap.looked_in)} for gap in missing],
                "origins": origins,
                "default_model": info.default_model,
                "default_voice": info.default_voice(),
                "key_url": info.key_url,
            }
        )
    return entries
