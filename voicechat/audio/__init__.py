"""Sound in and out: devices and files, the recorder and player threads, voice detection, resampling.

Audio threads copy, cancel echo and count; they decide nothing. Imports nothing of the other packages.
"""
