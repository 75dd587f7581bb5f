"""Models that a user adds to the offline engine: which there are, where they live, how they come and what they are."""
