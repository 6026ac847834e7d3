"""A summary as pages, files and text: HTML, Markdown, LaTeX, JSON, CSV, terminal."""
