"""Adopting: the format file of an adapter, made from rows of what it was trained on.

Nothing here guesses: what is written is checked on every row that was read by the code that will use it, and
what rows do not decide is asked for by an option. Pure, but for `rows`, `push` and `command`.

rows       training rows of a file or a Hub dataset
samples    a row as what is asked and what is answered
positions  which position a row asks about, and the move before it
template   the one prompt behind many
shapes     answer shapes, and which of them reads every answer
objects    the fields of JSON answers
cues       answers behind a cue, in a tag, in a box
sections   what traces have in common
fault      answers that are the opponent's move
toml       the format file as text
adopt      all of it, in order
push       the file as a pull request of the adapter's repository
command    `python -m evals adopt`
"""
