"""What a recipe leaves open, chosen from the samples alone: no label is looked at."""
