"""`python -m synth.cli` is `flawsmith`."""

from flawsmith.__main__ import main

if __name__ == "__main__":
    main()
