"""Makes a corpus of a folder of files: what is an item, a modality, a time, a class. Every guess has its reason."""
