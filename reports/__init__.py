"""What it means: tables in, pages out. No torch, no mlflow, no network."""
