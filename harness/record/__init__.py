"""What was measured, on disk: a journal while a run goes on, Parquet when it is done, and a manifest beside both."""
