"""Making: how the shipped puzzle sets are made. Imported only by `evals.pawn`.

composer    the sets, from games of a weakened Stockfish
games       such games
mates       forced mates, proved by trying every move
themes      the themes a line shows, and how hard it may be
"""
