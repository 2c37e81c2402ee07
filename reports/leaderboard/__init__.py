"""`avbench leaderboard`: what may be ranked together, which differences are real, and how both are shown."""
