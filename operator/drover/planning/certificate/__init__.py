"""What cannot be placed, proven: a linear program over VM classes and node groups, checked in integers."""
