"""What authgate adds to Locust's web server: guards, the form of a plain test, its state, and the gate's page."""
