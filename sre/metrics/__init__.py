"""Error rates of scores, exact where scores tie, and how sure they are."""
