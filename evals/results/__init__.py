"""Results: what is kept of a session and what follows from it. Imports neither `evals.asking` nor pytest.

run               the folder of a run, written as it happens
stored_run        a run read back from its folder
gates_file        what a gates file may say; gate_errors: one sentence about what it may not
gates             statements about a run that pass, fail, or are inconclusive
relative_gates    those of them that hold the candidate against a baseline, and alarms over slices
planning          what gates can decide, before anything is spent
exit_status       the exit status that a verdict has
baselines         blessed runs, written and read; baseline_place: where they are and what they are called
comparable        whether two runs can be compared
comparison        two runs over the same puzzles, case by case; tournament: many runs at once
replay            a stored run judged again from its completions
diagnosis         where answers come from: findings, and misread answers among them
stored_formats    the trace formats that are stored for model versions
engine            a second opinion on missed moves
explain           one mistake as a chess player reads it
report            what a person reads at the end
"""
