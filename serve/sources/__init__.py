"""Which bytes a spec means: each source becomes a folder and a commit or digest, and is checked.

`hub` asks the Hugging Face Hub, `fit` holds an adapter against its base and the spec, `resolve` does both
for a whole spec. May import `serve.spec` and what that may import.
"""
