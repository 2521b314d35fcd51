"""Statistics: what the numbers of a run say, as pure functions of counts and arrays. Imports no other room.

rates          one proportion: exact bounds, and what they decide
clustered      the same for cases that share positions
samples        several samples of one case: pass@k, consistency
paired         two models on the same puzzles: the difference, its interval and tests
multiplicity   several claims at once
strength       one figure for a run: the performance rating against the puzzles' ratings
"""
