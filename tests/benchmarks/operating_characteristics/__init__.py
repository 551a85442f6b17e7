"""How often the gate is right: whole runs with a known truth, judged at every look, beside rival judges."""
