"""Speed, measured side by side: `python -m bench`, with one line of JSON at the end."""
