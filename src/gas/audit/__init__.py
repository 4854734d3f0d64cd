"""What was done to people's data and plans, for good: lines are added and never changed."""
