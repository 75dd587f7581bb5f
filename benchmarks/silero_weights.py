"""Makes voicechat/audio/silero.npz from the model that Silero publishes (MIT), and shows that it is the same model.

    pip download silero-vad==6.2.3 --no-deps && unzip silero_vad-6.2.3-*.whl 'silero_vad/data/*'
    pip install numpy onnx onnxruntime
    python -m benchmarks.silero_weights silero_vad/data/silero_vad_16k_op15.onnx

Its 16 kHz weights are kept as they are, under the names that Silero gives them in its own Python model; the Fourier
basis is left out, since numpy has that transform.
"""

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
NAMES = {
    **{
        f"model.encoder.{n}.reparam_conv.{kind}": f"conv{n + 1}.{kind}" for n in range(4) for kind in ("weight", "bias")
    },
    **{f"model.decoder.rnn.{kind}_{of}": f"lstm.{kind}_{of}" for kind in ("weight", "bias") for of in ("ih", "hh")},
    **{f"model.decoder.decoder.2.{kind}": f"output.{kind}" for kind in ("weight", "bias")},
}


def main(model: str) -> None:
    import onnx  # not among the development tools: this is done once a model
    import onnxruntime
    from onnx import numpy_helper

    from voicechat.audio.silero import WINDOW, Silero

    weights = {}
    for node in onnx.load(model).graph.initializer:
        if node.name in NAMES:
            weights[NAMES[node.name]] = numpy_helper.to_array(node)
    assert weights.keys() == set(NAMES.values())
    np.savez(ROOT / "voicechat" / "audio" / "silero.npz", **weights)
    raw = (ROOT / "tests" / "audio" / "goforward.raw").read_bytes()
    pcm = np.frombuffer(raw, "<i2").astype(np.float32) / 32768
    session = onnxruntime.InferenceSession(model)
    state, before, official = np.zeros((2, 1, 128), np.float32), np.zeros(64, np.float32), []
    for at in range(0, len(pcm) - WINDOW + 1, WINDOW):
        window = pcm[at : at + WINDOW]
        inputs = {"input": np.concatenate([before, window])[None], "state": state, "sr": np.array(16_000, np.int64)}
        found, state = session.run(None, {each.name: inputs[each.name] for each in session.get_inputs()})
        before = window[-64:]
        official.append(float(found.ravel()[0]))
    ours = Silero(16_000)
    computed = [ours.feed(raw[at * 2 : (at + WINDOW) * 2]) for at in range(0, len(pcm) - WINDOW + 1, WINDOW)]
    print(f"largest difference {np.abs(np.array(official) - computed).max():.1e}; every eighth probability:")
    print([round(each, 4) for each in official[::8]])


if __name__ == "__main__":
    main(sys.argv[1])
