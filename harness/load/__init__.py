"""The load: paced arrivals, the Locust user, and the fleet of one master and a worker process an arm."""
