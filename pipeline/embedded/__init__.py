"""A broker and a warehouse for one machine, as processes of their own."""
