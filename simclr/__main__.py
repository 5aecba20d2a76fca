"""``python -m simclr``, and so ``accelerate launch -m simclr``."""

from simclr.cli.main import main

if __name__ == "__main__":
    main()
