"""`POST /v1/audio/speech` as OpenAI's reference describes it: fields, limits, formats, error bodies."""

import argparse
import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from tests.speech_servers.sound import Fault, Faults, encoded, fault_for

KEY = "test-key-0123456789"
MODELS = {"tts-1", "tts-1-hd", "gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15", "cosyvoice-v2"}
VOICES = {
    "alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer", "verse", "marin", "cedar",
    "longyingcui",
}  # fmt: skip
TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
FIELDS = {"model", "input", "voice", "instructions", "response_format", "speed", "stream_format"}
PIECE_BYTES = 4801
"""Of the answers' chunks: odd, so that samples are cut in two."""


class RestServer:
    """Serves in threads. `requests` are the bodies received, `faults` what the n-th request (from 1) meets.

    `pace_s`: the pause between two chunks. `first_byte_at`: monotonic time at which the last answer's first byte went.
    """

    def __init__(self, port: int = 0, *, faults: Faults | None = None, pace_s: float = 0.0):
        self.faults = faults or {}
        self.pace_s = pace_s
        self.requests: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.first_byte_at = 0.0
        self.most_at_once = 0
        self.stopping = threading.Event()
        self._running = 0
        self._lock = threading.Condition()
        handler = type("Handler", (_Handler,), {"owner": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._http.daemon_threads = False
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), name="speech server")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def __enter__(self) -> "RestServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def wait_for(self, requests: int, timeout_s: float = 10.0) -> None:
        """Until so many requests have come."""
        with self._lock:
            assert self._lock.wait_for(lambda: len(self.requests) >= requests, timeout_s), self.requests

    def inputs(self) -> list[str]:
        return [request.get("input", "") for request in self.requests]

    def begin(self, request: dict[str, Any], path: str, headers: dict[str, str]) -> Fault | None:
        with self._lock:
            self.requests.append(request)
            self.paths.append(path)
            self.headers.append(headers)
            self.times.append(time.monotonic())
            self._running += 1
            self._lock.notify_all()
            self.most_at_once = max(self.most_at_once, self._running)
            return fault_for(self.faults, len(self.requests), str(request.get("input", "")))

    def end(self) -> None:
        with self._lock:
            self._running -= 1


class _Handler(BaseHTTPRequestHandler):
    owner: ClassVar[RestServer]
    protocol_version = "HTTP/1.1"
    timeout = 30

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            body = json.loads(raw)
        except ValueError:
            self._error(400, "invalid_request_error", "We could not parse the JSON body of your request.")
            return
        fault = self.owner.begin(body, self.path, dict(self.headers.items()))
        try:
            if fault is not None and fault.status:
                self._send(fault.status, fault.body.encode(), fault.content_type or "application/json", fault.headers)
            elif self._acceptable(body):
                self._speak(body, fault)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            self.owner.end()

    def _acceptable(self, body: dict[str, Any]) -> bool:
        key = self.headers.get("Authorization", "").removeprefix("Bearer ") or self.headers.get("api-key", "")
        text, encoding, speed = body.get("input"), body.get("response_format", "mp3"), body.get("speed", 1.0)
        invalid = "invalid_request_error"
        if key != KEY:
            self._error(401, invalid, f"Incorrect API key provided: {key}.", code="invalid_api_key")
        elif not self.path.partition("?")[0].endswith("/audio/speech"):
            self._error(404, invalid, f"Invalid URL (POST {self.path})")
        elif unknown := set(body) - FIELDS:
            self._error(400, invalid, f"Unknown parameter: '{sorted(unknown)[0]}'.", param=sorted(unknown)[0])
        elif body.get("model") not in MODELS:
            message = f"The model `{body.get('model')}` does not exist or you do not have access to it."
            self._error(404, invalid, message, code="model_not_found")
        elif body.get("voice") not in VOICES:
            self._error(400, invalid, f"Invalid value: '{body.get('voice')}'.", param="voice", code="invalid_value")
        elif not isinstance(text, str) or not text:
            self._error(400, invalid, "input is required", param="input")
        elif len(text) > 4096:
            message = f"String should have at most 4096 characters, got {len(text)}."
            self._error(400, invalid, message, param="input", code="string_above_max_length")
        elif encoding not in TYPES:
            self._error(400, invalid, f"Invalid value: '{encoding}'.", param="response_format", code="invalid_value")
        elif not isinstance(speed, int | float) or not 0.25 <= speed <= 4.0:
            self._error(400, invalid, "speed is out of range", param="speed", code="invalid_value")
        else:
            return True
        return False

    def _speak(self, body: dict[str, Any], fault: Fault | None) -> None:
        encoding = body.get("response_format", "mp3")
        sound = encoded(body["input"], encoding)
        kind = TYPES[encoding]
        if fault is not None and fault.content is not None:
            sound, kind = fault.content, fault.content_type
        if body.get("stream_format") == "sse":
            self._begin("text/event-stream")
            for start in range(0, len(sound), PIECE_BYTES):
                audio = base64.b64encode(sound[start : start + PIECE_BYTES]).decode()
                self._chunk(f"data: {json.dumps({'type': 'speech.audio.delta', 'audio': audio})}\n\n".encode())
            usage = {"input_tokens": len(body["input"]), "output_tokens": 1, "total_tokens": len(body["input"]) + 1}
            self._chunk(f"data: {json.dumps({'type': 'speech.audio.done', 'usage': usage})}\n\n".encode())
            self._chunk(b"")
            return
        self._begin(kind)
        limit = len(sound)
        if fault is not None and (fault.cut_after is not None or fault.hang_after is not None):
            limit = (fault.cut_after if fault.cut_after is not None else fault.hang_after) or 0
        for start in range(0, limit, PIECE_BYTES):
            self._chunk(sound[start : min(limit, start + PIECE_BYTES)])
            if start == 0:
                self.owner.first_byte_at = time.monotonic()
            if self.owner.pace_s and self.owner.stopping.wait(self.owner.pace_s):
                break
        if fault is not None and fault.hang_after is not None:
            self.owner.stopping.wait(30)
        if fault is not None and (fault.cut_after is not None or fault.hang_after is not None):
            self.close_connection = True  # without the last chunk: the answer is not complete
            return
        self._chunk(b"")

    def _begin(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _error(
        self, status: int, kind: str, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        error = {"message": message, "type": kind, "param": param, "code": code}
        self._send(status, json.dumps({"error": error}).encode(), "application/json", {})

    def _send(self, status: int, body: bytes, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8080)
    port = parser.parse_args().port
    with RestServer(port) as server:
        import sys

        sys.stderr.write(f"{server.url}  key: {KEY}\n")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
