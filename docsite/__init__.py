"""How the documentation site is made from docs/: the catalogue's pages, mkdocs hooks, the front page's picture."""
