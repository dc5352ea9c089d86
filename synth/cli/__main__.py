"""`python -m synth.cli` is `flawsmith`."""

from synth.cli.main import app

app(prog_name="flawsmith")
