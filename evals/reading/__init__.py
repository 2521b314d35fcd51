"""Reading: from the text of a completion to an answer. Pure; may import `evals.puzzles` and `evals.words`.

text            model text made fit to be shown
completions     a completion's two halves, reasoning and content
answers         a completion's text on its way to an answer: JSON, a last move, or nothing
moves           one move in UCI or SAN
lines           quoted lines of moves, replayed on the board
movetext        the main line of PGN movetext
lists           lists of moves or squares without JSON
pieces          lists of pieces and drawn boards
themes          names of themes, and how well they fit a puzzle's
pattern         a user's regular expression, in bounded time
traces          the sections of a reasoning trace, its conclusion and candidates
trace_checks    the checks of a trace against the board and the answer
trace_format    the format of many traces, as text that two model versions can be compared by
"""
