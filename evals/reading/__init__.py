"""Reading: from the text of a completion to an answer. Pure; may import `evals.puzzles` and `evals.words`.

text            model text made fit to be shown
completions     a completion's two halves, reasoning and content
answers         a completion's text on its way to an answer: JSON, a last move, or nothing
moves           one move in UCI or SAN
lines           quoted lines of moves, replayed on the board
pieces          lists of pieces
traces          the sections of a reasoning trace, its conclusion and candidates
trace_checks    the checks of a trace against the board and the answer
trace_format    the format of many traces, as text that two model versions can be compared by
"""
