"""The command `flawsmith`, also as `python -m flawsmith` and `python -m synth.cli`.

Nothing of the user's is imported by the names of our packages: not an eval.py or a synth/ of the working folder, nor
one on PYTHONPATH.
"""

from __future__ import annotations

from flawsmith._own import put_own_first

put_own_first("synth", "eval")


def main() -> None:
    """Run the command with the arguments of this process."""
    from synth.cli.main import app

    app(prog_name="flawsmith")


if __name__ == "__main__":
    main()
