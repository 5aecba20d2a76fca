"""What a frozen representation is worth: probes, splits, baselines and results."""
