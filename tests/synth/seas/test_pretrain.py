"""Training of the base: another base's weights go over to a larger vocabulary."""

import torch

from synth.seas.base import MICRO, build_untrained
from synth.seas.pretrain import take_over


def test_words_that_an_older_base_knows_mean_the_same_after_its_weights_are_taken_over() -> None:
    older = build_untrained(MICRO, seed=1, words=("rubber", "stain"))
    newer = build_untrained(MICRO, seed=2, words=("asphalt", "burn", "rubber", "stain", "zinc"))
    take_over(newer, older)
    length = older.tokenizer.model_max_length
    states = []
    for pipeline in (older, newer):
        ids = pipeline.tokenizer("a rubber with stain", padding="max_length", max_length=length, return_tensors="pt")
        with torch.no_grad():
            states.append(pipeline.text_encoder(ids.input_ids).last_hidden_state)
    assert torch.allclose(*states, atol=1e-6)
    assert newer.text_encoder.get_input_embeddings().num_embeddings == len(newer.tokenizer)
    for part in ("unet", "vae"):
        old, new = (getattr(pipeline, part).state_dict() for pipeline in (older, newer))
        assert all(torch.equal(old[name], new[name]) for name in old)
