"""How the pages write sizes, numbers and times."""
