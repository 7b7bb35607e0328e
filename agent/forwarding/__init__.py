"""Router mode: which received Instances go on to which destinations, by a site's rules. See docs/routing.md."""
