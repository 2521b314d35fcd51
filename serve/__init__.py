"""Everything that makes an endpoint: what to serve, and a server of it here, on Modal, or already running.

    printable   any text made safe to show
    errors      the one exception of the package
    explain     what is wrong with a TOML file, and on which line
    spec        what to serve, and vLLM's command line made from it; `specs/` holds the shipped ones
    sources/    which bytes a spec means: the Hub and local folders, pinned and checked
    endpoint/   a base URL and what it serves: attaching, adapters for one session, preflight
    local/      vLLM or the PEFT reference as a process on this machine
    modal/      the same vLLM on Modal
    reference/  PEFT's answers to the same requests, to tell whether serving changed the model

Each room imports only rooms above its own, and `reference` not `modal` or `local`. `arguments` and `__main__`
are the command line and import all but `modal`. Nothing here imports `evals`. `pawn/` is data: the embedded
model.
"""
