"""How pawn, the embedded model, and its adapters are made: positions, tokenizer, base, adapters."""
