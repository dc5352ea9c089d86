"""`python -m synth.seas.pretraining` trains the bundled base."""

from synth.seas.pretraining.training import main

main()
