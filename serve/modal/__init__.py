"""vLLM on Modal, from the same spec as on this machine.

`app` is what `modal deploy -m serve.modal.app` reads, `container` is what runs inside it, `session` starts
an app for one session or finds a deployed one. May import `serve.local` and what that may
import. Imports are absolute: `import modal` is Modal's client.
"""
