"""Records: users' data, scores, jobs and events in one database."""
