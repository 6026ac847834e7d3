"""Workers as tasks of a Slurm job array, spoken to over files of the shared home."""
