"""What a frozen representation is worth: probes, splits, baselines and results."""

if __name__ == "eval":  # from a checkout's root: the same modules as under their own names
    from simclr.augment.doors import open_door

    open_door(__name__)
