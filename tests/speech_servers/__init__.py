"""Scripted text-to-speech services, written from the vendors' references: REST, Qwen-TTS-Realtime, CosyVoice.

Each runs alone (`python -m tests.speech_servers.rest --port 8080`) or in a thread of a test. What they speak can be
read back: `sound.voice` turns each character into 10 ms of one value, `sound.heard` turns that into text again.
"""
