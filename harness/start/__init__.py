"""A site's start: a domain is asked where its servers are, and a first targets file and scenario are written."""
