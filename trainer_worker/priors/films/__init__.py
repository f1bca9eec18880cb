"""The catalogue prior `films`: a snapshot of Wikidata becomes an item table and one vector per film."""
