"""The services we can talk to, one package or module each, behind the codec of `base`.

Provider names live here and in the catalogue, nowhere else. Imports the events and commands of `conversation`
and nothing above; never `audio`, `conversation.session`, `cli` or `ui`.
"""
