"""Asking: requests on their way to a server and completions back. May import `evals.words` and above.

Knows nothing of tasks beyond the protocol in `evals.words`.

body        what is sent: the JSON body of one request
reply       what came back, read without trusting it
redaction   what may leave the client
client      one request sent until it is answered: retries, limits, room in the context
broker      every planned case asked once, N requests in flight
relay       the way from xdist's workers to the broker
"""
