"""The harness: all that knows pytest or syrupy, and the only room of a session that imports `serve`.

A session has six steps. Without xdist one process takes them all; with it the controller owns the server, the
completions and the run, and workers collect and judge, so that every file of a run has one writer.

             pytest, or xdist's controller                  worker (or the same process)
    collect  draw puzzles, find formats, leave both   ----> build cases, parametrize tests with them
    plan     join what was selected                   <---- send the selected cases, once
    open     try the formats on right answers, claim the
             run's folder, start or attach, preflight
    ask      each planned case once, N in flight      ----> wait for the completions of a case
    judge    keep the record                          <---- judge them; the record goes back on the report
    close    judge the gates, report them as items,
             write run.json, stop the server

    plugin        pytest's hooks, a line each, and the marks
    options       the command line; values: its readers
    drawing       which puzzles a session has
    formats       which format each task is asked in: found with the adapter, the spec or the command line
    shared        what the controller works out once and leaves to the workers
    case_builder  cases of those puzzles, and which of them are selected
    participant   what both sides of a session have in common
    worker        xdist's side
    controller    the side that owns server and run
    evaluation    open, ask, close, without pytest
    against       the baselines of a session: stored ones, and those that are asked beside the candidate
    served        the server of a session: started or attached to, preflight
    manifest      what run.json says of how a session was set up
    reports       records and gates on pytest's reports
    summary       what the terminal shows at the end
    fixtures      what a suite uses
    replaying     a stored run judged again, without pytest and without a server
    snapshots     the trace format as a syrupy snapshot

Nothing but the suites and `conftest.py` imports this room.
"""
