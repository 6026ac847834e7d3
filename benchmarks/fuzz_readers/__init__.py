"""Random bytes for every reader of files: by chance in the suite, guided by coverage by hand."""
