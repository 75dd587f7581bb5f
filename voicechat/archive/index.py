"""The index of a folder of conversations: an SQLite file that is made from their lines, and can be made again.

Only who looks something up writes it, so a conversation that runs has nothing to do with it. Where it cannot be had
(another program holds it, the disk is full, the folder is read-only) one in memory takes its place for once.
"""

import contextlib
import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicechat.archive import lines
from voicechat.archive.folder import LINES, is_id, opener
from voicechat.errors import ConfigError, VoicechatError

if TYPE_CHECKING:
    import sqlite3

log = logging.getLogger(__name__)

NAME = "index.sqlite3"
SCHEMA = 3
"""Raised when the tables change: an index of another version is made afresh."""
PATIENCE_S = 2.0
"""How long another program may hold the index."""
TRIGRAM = 3
"""Shorter words are not in the index of words (most Chinese ones are two signs): the turns themselves are searched."""

_TABLES = """
CREATE TABLE files (id TEXT PRIMARY KEY, size INTEGER, changed_ns INTEGER);
CREATE TABLE conversations (
    id TEXT PRIMARY KEY, began TEXT, seconds REAL, provider TEXT, model TEXT, voice TEXT, turns INTEGER,
    sound INTEGER, ended INTEGER, continues TEXT, first TEXT, broken INTEGER
);
CREATE TABLE said (number INTEGER PRIMARY KEY, id TEXT, turn INTEGER, who TEXT, at_s REAL, text TEXT);
CREATE INDEX said_of ON said (id);
CREATE TABLE usage (
    id TEXT, turn INTEGER, input_tokens INTEGER, output_tokens INTEGER, cached_tokens INTEGER,
    input_audio_tokens INTEGER, output_audio_tokens INTEGER, cost REAL, currency TEXT
);
CREATE INDEX usage_of ON usage (id);
CREATE VIRTUAL TABLE words USING fts5(text, content='said', content_rowid='number', tokenize='trigram');
CREATE TRIGGER said_added AFTER INSERT ON said BEGIN
    INSERT INTO words(rowid, text) VALUES (new.number, new.text);
END;
CREATE TRIGGER said_removed AFTER DELETE ON said BEGIN
    INSERT INTO words(words, rowid, text) VALUES ('delete', old.number, old.text);
END;
"""
_USAGE = ("input_tokens", "output_tokens", "cached_tokens", "input_audio_tokens", "output_audio_tokens")


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that was said and has the words that were looked for."""

    id: str
    turn: int
    who: str
    at_s: float
    text: str


def words_of(query: str) -> list[str]:
    """What must all be there: words, and in double quotes passages."""
    return [quoted or word for quoted, word in re.findall(r'"([^"]+)"|(\S+)', query) if (quoted or word).strip('"')]


class Index:
    """An open index, brought up to date with the folder."""

    def __init__(self, database: "sqlite3.Connection", folder: Path):
        self._database = database
        self._folder = folder

    def refresh(self) -> None:
        """Read what was added or has changed, forget what is gone.

        What has come to its end is not written any more, so it is not even looked at: of thousands that takes longer
        than the search.
        """
        known = {row[0]: row[1:] for row in self._database.execute("SELECT id, size, changed_ns FROM files")}
        ended = {name for (name,) in self._database.execute("SELECT id FROM conversations WHERE ended")}
        found = {}
        with contextlib.suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                if not entry.name.endswith(LINES):
                    continue
                name = entry.name.removesuffix(LINES)
                if name in ended and name in known:
                    found[name] = known[name]
                elif is_id(name):
                    told = entry.stat()
                    found[name] = (told.st_size, told.st_mtime_ns)
        with self._database:
            for name in known.keys() - found.keys():
                self._forget(name)
            for name in sorted(name for name, state in found.items() if known.get(name) != state):
                self._forget(name)
                try:
                    self._learn(lines.read(self._folder, name))
                except VoicechatError as error:
                    log.warning("%s", error.message)
                    continue
                self._database.execute("INSERT INTO files VALUES (?, ?, ?)", (name, *found[name]))

    def conversations(self, limit: int = -1) -> list[dict[str, Any]]:
        """The newest first, as `history list --json` has them. -1 is no limit."""
        rows = self._rows(
            "SELECT c.*, u.input, u.output, u.cost, u.currency FROM conversations c LEFT JOIN (SELECT id, "
            "sum(input_tokens) input, sum(output_tokens) output, "
            "CASE WHEN count(cost) = count(*) AND count(DISTINCT currency) = 1 THEN sum(cost) END cost, "
            "max(currency) currency FROM usage GROUP BY id) u USING (id) ORDER BY c.began DESC, c.id DESC LIMIT ?",
            (limit,),
        )
        return [_entry(row) for row in rows]

    def stats(self, by: str) -> list[dict[str, Any]]:
        """What was kept, by `day`, `provider` or `model`, the newest or first first: one entry for each.

        `cost` has the sum by currency of what is known, `unpriced` how many responses have no known cost.
        """
        key = {"day": "substr(c.began, 1, 10)", "provider": "c.provider", "model": "c.model"}[by]
        found: dict[str, dict[str, Any]] = {}
        for name, *numbers in self._rows(
            f"SELECT {key} AS name, count(*), sum(turns), sum(seconds) FROM conversations c GROUP BY name", ()
        ):
            told = dict(zip(("conversations", "turns", "seconds"), numbers, strict=True))
            found[name] = {by: name, **told, "input_tokens": 0, "output_tokens": 0, "cost": {}, "unpriced": 0}
        for name, currency, taken, given, cost, unpriced in self._rows(
            f"SELECT {key} AS name, currency, sum(input_tokens), sum(output_tokens), sum(cost), "
            "count(*) - count(cost) FROM usage JOIN conversations c USING (id) GROUP BY name, currency",
            (),
        ):
            entry = found[name]
            entry["input_tokens"] += taken or 0
            entry["output_tokens"] += given or 0
            entry["unpriced"] += unpriced
            if cost is not None:
                entry["cost"][currency or ""] = round(cost, 8)
        return [found[name] for name in sorted(found, reverse=by == "day")]

    def search(self, query: str, limit: int = 50) -> list[Hit]:
        """Where every word of the query was said by one side in one turn; the newest conversation first."""
        wanted = words_of(query)
        long = [word for word in wanted if len(word) >= TRIGRAM]
        conditions, values = [], []
        if long:
            conditions.append("number IN (SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid DESC)")
            values.append(" ".join('"{}"'.format(word.replace('"', '""')) for word in long))
        for word in wanted:
            if len(word) < TRIGRAM:
                conditions.append("text LIKE ? ESCAPE '\\'")  # half as long as instr(lower(text), …)
                values.append("%{}%".format(re.sub(r"([\\%_])", r"\\\1", word)))
        if not conditions:
            return []
        rows = self._rows(
            f"SELECT id, turn, who, at_s, text FROM said WHERE {' AND '.join(conditions)} ORDER BY number DESC LIMIT ?",
            (*values, limit),
        )
        hits = sorted((Hit(*row) for row in rows), key=lambda hit: (hit.turn, hit.who != "user"))
        return sorted(hits, key=lambda hit: hit.id, reverse=True)

    def close(self) -> None:
        self._database.close()

    def _rows(self, question: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        import sqlite3

        try:
            return self._database.execute(question, values).fetchall()
        except sqlite3.DatabaseError as error:
            path = self._folder / NAME
            raise ConfigError(f"The index {path} cannot be used: {error}.", "Remove it: it is made again.") from error

    def _forget(self, name: str) -> None:
        for table in ("said", "usage", "conversations", "files"):
            self._database.execute(f"DELETE FROM {table} WHERE id = ?", (name,))

    def _learn(self, kept: lines.Kept) -> None:
        first = next((said.text for said in kept.said if said.who == "user" and said.text), "")
        self._database.execute(
            "INSERT INTO conversations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                kept.id, kept.began, kept.seconds, kept.provider, kept.model, kept.voice, kept.turns,
                kept.sound, kept.ended, kept.continues, first, kept.broken,
            ),
        )  # fmt: skip
        self._database.executemany(
            "INSERT INTO said (id, turn, who, at_s, text) VALUES (?, ?, ?, ?, ?)",
            [
                (kept.id, said.turn, said.who, said.at_s, f"{said.text}{said.unheard}")
                for said in kept.said
                if said.text or said.unheard
            ],
        )
        self._database.executemany(
            "INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (kept.id, line.get("turn"), *(line.get(key) for key in _USAGE), line.get("cost"), line.get("currency"))
                for line in kept.usage
            ],
        )


def _entry(row: tuple[Any, ...]) -> dict[str, Any]:
    names = (
        "id", "began", "seconds", "provider", "model", "voice", "turns", "sound", "ended", "continues", "first",
        "broken_lines", "input_tokens", "output_tokens", "cost", "currency",
    )  # fmt: skip
    entry = dict(zip(names, row, strict=True))
    entry["sound"], entry["ended"] = bool(entry["sound"]), bool(entry["ended"])
    entry["input_tokens"], entry["output_tokens"] = entry["input_tokens"] or 0, entry["output_tokens"] or 0
    return entry


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Index]:
    """The index of a folder. Raises ConfigError where the folder cannot be read."""
    import sqlite3

    try:
        index = _open(folder)
    except (OSError, sqlite3.Error) as error:
        log.warning("The index %s cannot be used (%s): the lines are read.", folder / NAME, error)
        index = None
    if index is None:
        database = sqlite3.connect(":memory:")
        database.executescript(_TABLES)
        index = Index(database, folder)
        try:
            index.refresh()
        except OSError as error:
            index.close()
            raise ConfigError(f"{folder} cannot be read: {error.strerror}.") from error
    try:
        yield index
    finally:
        index.close()


def _open(folder: Path) -> Index | None:
    """The index in its file, up to date; None where there is no folder. Raises OSError and sqlite3.Error."""
    import sqlite3

    if not folder.is_dir():
        return None
    try:
        return _refreshed(folder)
    except sqlite3.OperationalError:  # held by another program, or cannot be written
        raise
    except sqlite3.DatabaseError:  # it is none, or broken
        (folder / NAME).unlink()
        return _refreshed(folder)


def _refreshed(folder: Path) -> Index:
    import sqlite3

    path = folder / NAME
    open(path, "ab", opener=opener).close()
    database = sqlite3.connect(path, timeout=PATIENCE_S)
    try:
        if database.execute("PRAGMA user_version").fetchone()[0] != SCHEMA:
            _begin(database)
        index = Index(database, folder)
        index.refresh()
    except BaseException:
        database.close()
        raise
    return index


def _begin(database: "sqlite3.Connection") -> None:
    """Empty tables, whatever was there."""
    for kind, name in database.execute("SELECT type, name FROM sqlite_master WHERE sql IS NOT NULL").fetchall():
        if kind in ("table", "trigger") and not name.startswith(("sqlite_", "words_")):
            database.execute(f'DROP {kind} IF EXISTS "{name}"')
    database.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {SCHEMA}; COMMIT;")
