"""How the documentation site is made from docs/: pages of the catalogue, mkdocs hooks, the picture on the front page."""
