"""When each VM moves and how long that takes: order, lower bounds, the timetable of a plan."""
