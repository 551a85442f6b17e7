"""What takes more than one run, or another kind of run, to answer: noise, length, capacity, soaks, trends."""
