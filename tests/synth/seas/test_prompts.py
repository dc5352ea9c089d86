import json

import pytest
import torch

from synth.errors import GeneratorError
from synth.seas.prompts import UnbalancedPrompts, add_tokens, token_ids, verify
from synth.seas.token_rows import trained_rows

TYPES = [f"type{i}" for i in range(12)]


@pytest.mark.parametrize(("product_tokens", "defect_tokens"), [(1, 4), (2, 3)])
def test_every_type_has_its_own_ids_between_a_with_and_the_end(pipeline, product_tokens, defect_tokens):
    prompts = UnbalancedPrompts.plan("plate", TYPES, product_tokens, defect_tokens)
    tokenizer = pipeline.tokenizer
    first = add_tokens(tokenizer, pipeline.text_encoder, prompts, {}, from_names=False)
    a, joint = (tokenizer(word, add_special_tokens=False)["input_ids"] for word in ("a", "with"))
    product = list(range(first, first + product_tokens))
    seen = set()
    for defect in TYPES:
        line = token_ids(tokenizer, [prompts.defective(defect)])[0].tolist()
        own = [line[column] for column in prompts.defect_columns]
        head = [tokenizer.bos_token_id, *a, *product, *joint]
        assert line[: len(head) + defect_tokens + 1] == [*head, *own, tokenizer.eos_token_id]
        assert [line[column] for column in prompts.product_columns] == product
        assert not seen & set(own)
        seen |= set(own)
    assert seen == set(range(first + product_tokens, first + len(prompts.names)))


def test_no_token_name_is_the_beginning_of_another():
    names = UnbalancedPrompts.plan("plate", TYPES, 1, 11).names
    assert not [(a, b) for a in names for b in names if a != b and b.startswith(a)]


def test_the_table_from_type_to_tokens_survives_json():
    prompts = UnbalancedPrompts.plan("plate", ["scratch", "dent", "dent"], 1, 4)
    again = UnbalancedPrompts.from_json(json.loads(json.dumps(prompts.to_json())))
    assert again == prompts
    assert again.defects == ("dent", "scratch")
    assert again.defective("scratch").startswith("a <ob1> with <df2-1>")


def test_new_rows_start_from_words_the_base_knows(pipeline):
    prompts = UnbalancedPrompts.plan("plate", ["good_part", "zigzag", "hole"], 1, 2)
    old = pipeline.text_encoder.get_input_embeddings().weight.detach().clone()
    add_tokens(pipeline.tokenizer, pipeline.text_encoder, prompts, {"hole": "photo of"}, from_names=True)
    table = pipeline.text_encoder.get_input_embeddings().weight

    def words(*given: str) -> torch.Tensor:
        return old[[pipeline.tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in given]].mean(0)

    def row(name: str) -> torch.Tensor:
        return table[pipeline.tokenizer.convert_tokens_to_ids(name)]

    assert torch.equal(table[: len(old)], old)
    assert torch.allclose(row("<ob1>"), words("object"))
    assert torch.allclose(row(prompts.defect_tokens["good_part"][1]), words("good", "part"))
    assert torch.allclose(row(prompts.defect_tokens["zigzag"][0]), words("defect"))
    assert torch.allclose(row(prompts.defect_tokens["hole"][0]), words("photo", "of"))


def test_only_the_new_rows_move_and_all_vectors_of_a_type_do(pipeline):
    prompts = UnbalancedPrompts.plan("plate", ["dent", "scratch"], 1, 4)
    first = add_tokens(pipeline.tokenizer, pipeline.text_encoder, prompts, {}, from_names=False)
    encoder, stock = pipeline.text_encoder, pipeline.text_encoder.get_input_embeddings()
    before = stock.weight.detach().clone()
    ids = token_ids(pipeline.tokenizer, [prompts.defective("dent"), prompts.defective("scratch")])
    encoder.requires_grad_(False)
    with trained_rows(encoder, first) as tokens:
        optimizer = torch.optim.AdamW([p for p in encoder.parameters() if p.requires_grad], lr=0.1, weight_decay=0.5)
        for _ in range(3):
            encoder(ids)[0].square().sum().backward()
            assert (tokens.rows.grad.abs().sum(1) > 0).all()
            optimizer.step()
            optimizer.zero_grad()
        trained = [name for name, p in encoder.named_parameters() if p.requires_grad]
        assert trained == ["embeddings.token_embedding.rows"]
    assert encoder.get_input_embeddings() is stock
    moved = (stock.weight != before).any(1)
    assert not moved[:first].any()
    assert moved[first:].all()


def test_a_swapped_embedding_reads_as_the_stock_one(pipeline):
    prompts = UnbalancedPrompts.plan("plate", ["dent"], 1, 4)
    first = add_tokens(pipeline.tokenizer, pipeline.text_encoder, prompts, {}, from_names=False)
    ids = token_ids(pipeline.tokenizer, [prompts.good, prompts.defective("dent")])
    plain = pipeline.text_encoder(ids)[0]
    with trained_rows(pipeline.text_encoder, first):
        assert torch.equal(pipeline.text_encoder(ids)[0], plain)


def test_an_unknown_type_is_named_with_those_that_are_known():
    with pytest.raises(GeneratorError, match=r"'crack'.*dent, scratch"):
        UnbalancedPrompts.plan("plate", ["dent", "scratch"], 1, 4).defective("crack")


def test_a_prompt_longer_than_the_encoder_reads_is_refused(pipeline):
    prompts = UnbalancedPrompts.plan("plate", ["dent"], 1, 14)
    with pytest.raises(GeneratorError, match="holds 16 tokens"):
        add_tokens(pipeline.tokenizer, pipeline.text_encoder, prompts, {}, from_names=False)


def test_a_base_that_has_the_tokens_already_is_refused(pipeline):
    prompts = UnbalancedPrompts.plan("plate", ["dent"], 1, 4)
    add_tokens(pipeline.tokenizer, pipeline.text_encoder, prompts, {}, from_names=False)
    with pytest.raises(GeneratorError, match="already fine-tuned"):
        add_tokens(pipeline.tokenizer, pipeline.text_encoder, prompts, {}, from_names=False)


def test_the_tokens_survive_saving_the_tokenizer(pipeline, tmp_path):
    prompts = UnbalancedPrompts.plan("plate", TYPES, 1, 4)
    add_tokens(pipeline.tokenizer, pipeline.text_encoder, prompts, {}, from_names=False)
    pipeline.tokenizer.save_pretrained(tmp_path)
    again = type(pipeline.tokenizer).from_pretrained(tmp_path)
    texts = [prompts.good, *map(prompts.defective, TYPES)]
    ids = token_ids(pipeline.tokenizer, texts)
    assert torch.equal(token_ids(again, texts), ids)
    assert len(ids.unique(dim=0)) == 1 + len(TYPES)
    assert len(again) == len(pipeline.tokenizer) == pipeline.text_encoder.config.vocab_size
    assert again.convert_tokens_to_ids(list(prompts.names)) == list(range(len(again) - len(prompts.names), len(again)))


def test_a_tokenizer_that_lost_a_token_is_reported_by_the_prompt(pipeline, untrained):
    prompts = UnbalancedPrompts.plan("plate", ["dent"], 1, 4)
    add_tokens(pipeline.tokenizer, pipeline.text_encoder, prompts, {}, from_names=False)
    with pytest.raises(GeneratorError, match=r"prompt 'a <ob1>' reads as ids"):
        verify(untrained.tokenizer, prompts)
