"""Formats: how an adapter was taught to be asked and to answer. Pure, but for reading files; may import
`evals.reading` and above.

placeholders  what a prompt can show of a position
shapes        how answers are written, as a format declares it
schemas       what a server is asked to hold answers of a shape to
format        a question with its messages and answer shape; a format of many
file          format files
fields        the fields of a JSON answer
reader        a completion read by its shape
writer        a right answer written in its shape
table         what every table of a format file is
shipped/      formats for models that were taught none
"""
