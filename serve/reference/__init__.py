"""The same model in transformers and PEFT, to tell whether serving changed it.

`model` runs the base and its adapters in transformers and PEFT, `server` puts that behind the part of the
OpenAI API that the harness uses, `parity` compares its answers with vLLM's. May import `serve.endpoint` and
what that may import.
"""
