"""What a pipeline shows of a verdict: comments that are updated in place, job summaries, annotations."""
