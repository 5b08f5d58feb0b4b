"""Ways in: JSON lines, the Olist files, the simulator, the HTTP collector."""
