"""Puzzles: what a puzzle is, and how files of them become the ones that are asked. Imports no other room.

puzzle     a puzzle with Lichess semantics, checked against the rules of chess
split      the held-out split: which positions may be trained on
draw       filters, the seeded draw, strata
files      rows of CSV, .csv.zst and Parquet files
loading    files, folders and Hub datasets turned into the puzzles of a session
"""
