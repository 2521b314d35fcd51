"""Asking: requests on their way to a server and completions back. May import `evals.words` and above.

Knows nothing of tasks beyond the protocol in `evals.words`.

client    one chat completion: request body, retries, reading the response
broker    every planned case asked once, N requests in flight
relay     the way from xdist's workers to the broker
"""
