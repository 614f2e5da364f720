"""One table of requests, one of accounting stories, and two servers that must give the same right answer to each."""
