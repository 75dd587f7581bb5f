"""What is done with text on its way to a voice."""
