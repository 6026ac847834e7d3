"""What MLflow is told of studies and searches: runs, metrics, tables, reports; its only importer is ``client.py``."""
