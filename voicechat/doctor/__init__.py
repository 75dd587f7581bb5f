"""What `voicechat doctor` looks at: terminal, settings and keys, microphone, speaker and echo, the service, the clock.

Each module gives `Check` values and prints nothing; `signals` holds the arithmetic, by values alone. Dependencies:
`cli → doctor → audio, config, providers, transport`; nothing but the command line imports this package.
"""
