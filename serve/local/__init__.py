"""A server as a process on this machine: vLLM, or the PEFT reference.

`machine` says what there is (GPU, cores, ports), `environment` which variables a server gets, `process`
starts the server, waits for it and stops it, `reaper` kills it where its owner died, `diagnosis` reads its
log. May import `serve.endpoint` and what that may import; the PEFT reference is started by the name of its
module and not imported.
"""
