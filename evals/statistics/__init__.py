"""Statistics: what the numbers of a run say, as pure functions of counts and arrays. Imports no other room.

rates          one proportion: exact bounds, and what they decide
clustered      the same for cases that share positions
samples        several samples of one case: pass@k, consistency
paired         two models on the same positions: d, McNemar's test, the interval of the difference
score          the score statistic of a difference: Tango's, and that of any d in [-1, 1]
unconditional  the exact distribution of the score statistic, whatever the discordance
relative       gates on two models: better, not worse, and a baseline that is stale
power          what a design decides, and how many positions are needed
slices         alarms over many slices of one comparison
multiplicity   several gates at once: Holm's method for failures, joint power
sequential     looks at a run that goes on, and when to stop it
tournament     several runs on the same positions: all pairs at once, and what the winner owes to luck
strength       one figure for a run: the performance rating against the puzzles' ratings
"""
