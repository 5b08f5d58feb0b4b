"""A slow and plain second implementation of the rules: dicts and loops, no code shared with the fast one."""
