"""Everything that makes an endpoint: what to serve, vLLM here or on Modal, or a server that already runs."""
