"""A base URL and what is served there, no matter who started the server.

`wire` sends one request, `keys` reads secrets from the environment, `endpoint` says what an endpoint is,
`attach` finds out what a running server serves, `chat` reads a completion, `dynamic` loads adapters for one
session, `preflight` checks the server before it is used. May import `serve.sources`, `serve.spec`,
`serve.errors` and `serve.printable`. All but `dynamic` need the standard library only, because every pytest
worker imports them.
"""
