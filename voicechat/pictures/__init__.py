"""Pictures to show to a service: from a file, stdin, the clipboard or the screen to a JPEG of the size it takes."""
