"""Statistics: what the numbers of a run say, as pure functions of counts. Imports no other room.

rates      one proportion: its bounds, decisions about it, samples of one case, several claims at once
paired     two models on the same puzzles: the difference, its interval and tests
strength   one figure for a run: the performance rating against the puzzles' ratings
"""
