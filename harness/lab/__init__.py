"""The labs: real servers on loopback that start from identical bytes and end with their parent."""
