"""The reference: the same model in transformers and PEFT, with outlines for the schema. Slow.

It is there for one question, asked in `serve.reference.parity`: did serving change the model?
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from serve.errors import ServeError
from serve.sources.resolve import Resolution

THINK_END = "</think>"
TOP = 5
"""How many of the likeliest tokens a position reports."""


@dataclass(frozen=True, slots=True)
class Generated:
    """One greedy answer."""

    content: str
    reasoning: str
    finish_reason: str
    top_logprobs: tuple[Mapping[str, float], ...]
    """For each generated token, the likeliest tokens and their log probabilities before any constraint."""
    prompt_tokens: int
    completion_tokens: int


class Reference:
    """A base with its adapters in transformers and PEFT, in float32 on the CPU. One request at a time.

    :raises ServeError: the libraries are not installed.
    """

    def __init__(self, resolution: Resolution) -> None:
        # Optional packages, and 8 s of importing where they are installed.
        try:
            import outlines
            import torch
            from peft import PeftModel
            from transformers import AutoModelForCausalLM, AutoTokenizer
        except ImportError as error:
            raise ServeError(
                f"the PEFT reference needs {error.name!r}: pip install 'eighth-rank[train]'"
            ) from error
        base, revision = resolution.base.path, resolution.spec.revision
        self._tokenizer: Any = AutoTokenizer.from_pretrained(base, revision=revision)
        model: Any = AutoModelForCausalLM.from_pretrained(base, revision=revision, dtype=torch.float32)
        self._steered = outlines.from_transformers(model, self._tokenizer)
        self._adapters = dict(resolution.adapters)
        for name, found in self._adapters.items():
            # PEFT makes attributes of adapter names, so they may hold no dot.
            if isinstance(model, PeftModel):
                model.load_adapter(found.path, adapter_name=_slot(name))
            else:
                model = PeftModel.from_pretrained(model, found.path, adapter_name=_slot(name))
        self._model = model.eval()
        self._lock = threading.Lock()
        self.base_name = resolution.spec.served_base

    @property
    def models(self) -> list[str]:
        """The model ids, the base first."""
        return [self.base_name, *self._adapters]

    def generate(
        self,
        model: str,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int,
        schema: Mapping[str, Any] | None = None,
        thinking: bool = False,
    ) -> Generated:
        """The greedy answer of one model; with a schema it is held to that, after a thought if there is one.

        :raises ServeError: no such model.
        """
        if model not in self.models:
            raise ServeError(f"model {model!r} is not served; served are: {', '.join(self.models)}")
        prompt: list[int] = self._tokenizer.apply_chat_template(
            list(messages), add_generation_prompt=True, enable_thinking=thinking, return_dict=True
        )["input_ids"]
        with self._lock:
            if not self._adapters:
                return self._generate(prompt, max_tokens, schema, thinking)
            if model == self.base_name:
                with self._model.disable_adapter():
                    return self._generate(prompt, max_tokens, schema, thinking)
            self._model.set_adapter(_slot(model))
            return self._generate(prompt, max_tokens, schema, thinking)

    def _generate(
        self, prompt: list[int], max_tokens: int, schema: Mapping[str, Any] | None, thinking: bool
    ) -> Generated:
        tokens: list[int] = []
        tops: list[Mapping[str, float]] = []
        if thinking and schema is not None:
            # As vLLM's reasoning parser does it: free until the end of the thought, held to the schema after.
            end = self._tokenizer.convert_tokens_to_ids(THINK_END)
            tokens, tops = self._decode(prompt, max_tokens, None, stop=end)
        left = max_tokens - len(tokens)
        if left > 0:
            more, more_tops = self._decode([*prompt, *tokens], left, schema)
            tokens, tops = tokens + more, tops + more_tops
        finish = "stop" if tokens and tokens[-1] == self._tokenizer.eos_token_id else "length"
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        reasoning, closed, content = text.rpartition(THINK_END) if thinking else ("", "", text)
        if thinking and not closed:
            reasoning, content = text, ""
        reasoning = reasoning.strip().removeprefix("<think>").strip()
        return Generated(content, reasoning, finish, tuple(tops), len(prompt), len(tokens))

    def _decode(
        self, prompt: list[int], limit: int, schema: Mapping[str, Any] | None, stop: int | None = None
    ) -> tuple[list[int], list[Mapping[str, float]]]:
        import torch  # loaded already: see __init__
        from transformers import LogitsProcessorList

        held = LogitsProcessorList()
        if schema is not None:
            held.append(self._constraint(json.dumps(schema)))
        stops = [self._tokenizer.eos_token_id, *([stop] if stop is not None else [])]
        ids = torch.tensor([prompt])
        with torch.inference_mode():
            output = self._model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=limit,
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                eos_token_id=stops,
                pad_token_id=self._tokenizer.pad_token_id or self._tokenizer.eos_token_id,
                logits_processor=held,
                output_logits=True,
                return_dict_in_generate=True,
            )
        tokens: list[int] = output.sequences[0, len(prompt) :].tolist()
        return tokens, [self._top(step[0]) for step in output.logits]

    def _top(self, logits: Any) -> Mapping[str, float]:
        values, indices = logits.float().log_softmax(-1).topk(TOP)
        words = (self._tokenizer.decode([index]) for index in indices.tolist())
        return dict(zip(words, values.tolist(), strict=True))

    def _constraint(self, schema: str) -> Any:
        from outlines.backends import get_json_schema_logits_processor

        # A processor holds the state of one generation, so each gets its own.
        return get_json_schema_logits_processor("outlines_core", self._steered, schema, "")


@lru_cache
def _slot(name: str) -> str:
    return name.replace(".", "_")
