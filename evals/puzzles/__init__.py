"""Puzzles: what a puzzle is, and how files of them become the ones that are asked. Imports no other room.

puzzle     a puzzle with Lichess semantics, checked against the rules of chess
split      when two positions are one, and which positions may be trained on
dialect    files of other people: the names of their columns, whose position the FEN is
draw       filters, the seeded draw, strata
files      rows of CSV, .csv.zst and Parquet files
sets       the sets of a path, a folder or a Hub dataset, and what is found in them
trained    which puzzles stand in the files that a model was trained on
loading    the sets read, filtered, drawn and checked: the puzzles of a session
"""
