"""Publishing a run on the Hugging Face Hub, with a card that carries the evidence."""

from __future__ import annotations

from synth.hub.publish import card, push

__all__ = ["card", "push"]
