"""Reading aloud, word for word: text in, sound out, to the loudspeaker or into a file.

`sentences` and `source` cut the text into pieces, the services (`rest`, `tts_realtime`, `inference`, `local`) turn a
piece into sound, `reading` keeps one piece ahead and repeats what failed, `sinks` and `encode` take the sound.
Imports audio, config, offline, providers and transport; nothing above.
"""
