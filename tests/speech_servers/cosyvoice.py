"""CosyVoice on the inference path as Model Studio's reference describes it: tasks, and the sound in binary frames."""

import json
from typing import Any

from websockets.sync.server import ServerConnection

from tests.speech_servers.sockets import PIECE_BYTES, SocketServer, lose, run
from tests.speech_servers.sound import encoded

IDLE_S = 23.0
VOICES = {
    "cosyvoice-v2": {"longxiaochun_v2", "longnan_v2", "longmiao_v2", "longsanshu", "longyue_v2", "longyuan_v2"},
    "cosyvoice-v3-flash": {"longanyang", "longxiaochun_v3", "longanzhi_v3"},
}
FORMATS = {"pcm", "wav", "mp3", "opus"}
RATES_HZ = {8_000, 16_000, 22_050, 24_000, 44_100, 48_000}
RANGES = {"rate": (0.5, 2.0), "pitch": (0.5, 2.0), "volume": (0, 100)}


class CosyVoiceServer(SocketServer):
    path = "/api-ws/v1/inference"
    idle_s = IDLE_S

    def hold(self, connection: ServerConnection) -> None:
        while True:
            start = self.take(connection)
            if start["header"]["action"] != "run-task":
                self._fail(connection, start["header"]["task_id"], "InvalidParameter", "run-task is expected.")
                return
            if not self._task(connection, start):
                return

    def _task(self, connection: ServerConnection, start: dict[str, Any]) -> bool:
        task, payload = start["header"]["task_id"], start["payload"]
        parameters, model = payload["parameters"], payload["model"]
        names = ("task_group", "task", "function")
        if [payload.get(name) for name in names] != ["audio", "tts", "SpeechSynthesizer"] or payload["input"] != {}:
            return self._fail(connection, task, "InvalidParameter", "task, function or input are wrong.")
        if model not in VOICES:
            return self._fail(connection, task, "ModelNotFound", f"Model not found ({model})!")
        wrong = [name for name, (low, high) in RANGES.items() if not low <= parameters.get(name, low) <= high]
        if wrong or parameters.get("format") not in FORMATS or parameters.get("sample_rate") not in RATES_HZ:
            return self._fail(connection, task, "InvalidParameter", f"{[*wrong, 'format'][0]} is invalid.")
        self._send(connection, task, "task-started")
        text = ""
        while True:
            try:
                event = json.loads(connection.recv(timeout=self.idle_s))
            except TimeoutError:
                return self._fail(connection, task, "CLIENT_ERROR", "request timeout after 23 seconds.")
            self.received.append(event)
            if event["header"]["task_id"] != task:
                return self._fail(connection, task, "InvalidParameter", "another task is running.")
            if event["header"]["action"] == "finish-task":
                break
            text += event["payload"]["input"]["text"]
        if parameters["voice"] not in VOICES[model]:
            return self._fail(connection, task, "InternalError", "Engine return error code: 418")
        fault = self.begin(text)
        if fault.message:
            return self._fail(connection, task, fault.code, fault.message)
        sound = encoded(text, parameters["format"], parameters["sample_rate"])
        if fault.content is not None:
            sound = fault.content
        limit = len(sound) if fault.cut_after is None else fault.cut_after
        self._send(
            connection, task, "result-generated", {"output": {"type": "sentence-begin", "sentence": {"index": 0}}}
        )
        for at in range(0, limit, PIECE_BYTES):
            connection.send(sound[at : min(limit, at + PIECE_BYTES)])
            self._send(connection, task, "result-generated", {"output": {"type": "sentence-synthesis"}})
        if fault.cut_after is not None:
            lose(connection)
            return False
        self._send(connection, task, "task-finished", {"usage": {"characters": len(text)}})
        return True

    def _fail(self, connection: ServerConnection, task: str, code: str, message: str) -> bool:
        header = {"task_id": task, "event": "task-failed", "error_code": code, "error_message": message}
        connection.send(json.dumps({"header": {**header, "attributes": {}}, "payload": {}}))
        connection.close()
        return False

    def _send(self, connection: ServerConnection, task: str, event: str, payload: dict[str, Any] | None = None) -> None:
        header = {"task_id": task, "event": event, "attributes": {}}
        connection.send(json.dumps({"header": header, "payload": payload or {}}))


if __name__ == "__main__":
    run(CosyVoiceServer)
