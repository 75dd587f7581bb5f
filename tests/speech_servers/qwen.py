"""Qwen-TTS-Realtime as Model Studio's reference describes it: `server_commit` and `commit`, one session per socket."""

import base64
import json
import re
import uuid
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.sync.server import ServerConnection

from tests.speech_servers.sockets import PIECE_BYTES, SocketServer, lose, run
from tests.speech_servers.sound import Fault, encoded

MODELS = {"qwen3-tts-flash-realtime", "qwen3-tts-instruct-flash-realtime"}
VOICES = {"Cherry", "Serena", "Ethan", "Chelsie", "Jennifer"}
RANGES = {"speech_rate": (0.5, 2.0), "pitch_rate": (0.5, 2.0), "volume": (0, 100)}
FIELDS = {"voice", "mode", "language_type", "response_format", "sample_rate", "bit_rate", "instructions", *RANGES}


class QwenTtsServer(SocketServer):
    path = "/api-ws/v1/realtime"

    def hold(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        model = parse_qs(urlsplit(connection.request.path).query).get("model", [""])[0]
        _Session(self, connection, model).run()


class _Session:
    def __init__(self, server: QwenTtsServer, connection: ServerConnection, model: str):
        self._server = server
        self._connection = connection
        self._session: dict[str, Any] = {
            "id": f"sess_{uuid.uuid4().hex}", "object": "realtime.session", "mode": "server_commit", "model": model,
            "voice": "", "response_format": "pcm", "sample_rate": 24_000,
        }  # fmt: skip
        self._buffer = ""
        self._configured = False

    def run(self) -> None:
        self._send("session.created", session=self._session)
        if self._session["model"] not in MODELS:
            self._connection.close()  # without a word, as the real one does
            return
        while True:
            event = self._server.take(self._connection)
            if not str(event.get("event_id", "")):
                self._error("event_id is required.")
                continue
            kind = event["type"]
            if kind == "session.update":
                self._update(event["session"])
            elif kind == "input_text_buffer.append":
                self._buffer += event["text"]
            elif kind == "input_text_buffer.clear":
                self._buffer = ""
                self._send("input_text_buffer.cleared")
            elif kind == "input_text_buffer.commit":
                if not self._buffer:
                    self._error("The buffer is empty.")
                elif not self._commit():
                    return
            elif kind == "session.finish":
                if self._buffer and not self._commit():
                    return
                self._send("session.finished")
                self._connection.close()
                return

    def _update(self, session: dict[str, Any]) -> None:
        if self._configured:
            self._error("Session update error: session already started or finished or failed.")
            return
        wrong = [name for name, (low, high) in RANGES.items() if name in session and not low <= session[name] <= high]
        wrong += [name for name in session if name not in FIELDS]
        if "instructions" in session and "instruct" not in self._session["model"]:
            wrong.append("instructions")
        if wrong:
            self._error(f"Invalid field session.{wrong[0]}.")
        elif session.get("voice") not in VOICES:
            self._error(f"Voice '{session.get('voice')}' is not supported.")
        else:
            self._session |= session
            self._configured = True
            self._send("session.updated", session=self._session)

    def _commit(self) -> bool:
        text, self._buffer = self._buffer, ""
        fault = self._server.begin(text)
        self._send("input_text_buffer.committed", item_id="")
        # The service makes a response of each group of sentences when it cuts the text itself.
        parts = re.findall(r"[^.。]+[.。]?\s*", text) if self._session["mode"] == "server_commit" else [text]
        return all(self._respond(part, fault) for part in parts)

    def _respond(self, text: str, fault: Fault) -> bool:
        if fault.message:
            self._send("error", error={"code": fault.code, "message": fault.message})
            return True
        if fault.status:
            self._connection.close(fault.status, fault.body)
            return False
        response, item = f"resp_{uuid.uuid4().hex}", f"item_{uuid.uuid4().hex}"
        ids = {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}
        self._send("response.created", response={"id": response, "status": "in_progress"})
        self._send("response.output_item.added", response_id=response, output_index=0, item={"id": item})
        self._send("response.content_part.added", **ids, part={"type": "audio"})
        sound = encoded(text, self._session["response_format"], self._session["sample_rate"])
        cut = fault.cut_after
        for start in range(0, len(sound) if cut is None else cut, PIECE_BYTES):
            piece = sound[start : start + PIECE_BYTES][: None if cut is None else cut - start]
            self._send("response.audio.delta", **ids, delta=base64.b64encode(piece).decode())
        if cut is not None:
            lose(self._connection)
            return False
        self._send("response.audio.done", **ids)
        self._send("response.content_part.done", **ids, part={"type": "audio"})
        self._send("response.output_item.done", response_id=response, output_index=0, item={"id": item})
        self._send(
            "response.done", response={"id": response, "status": "completed", "usage": {"characters": len(text)}}
        )
        return True

    def _error(self, message: str) -> None:
        self._send("error", error={"code": "invalid_value", "message": message})

    def _send(self, kind: str, **fields: Any) -> None:
        self._connection.send(json.dumps({"event_id": f"event_{uuid.uuid4().hex}", "type": kind, **fields}))


if __name__ == "__main__":
    run(QwenTtsServer)
