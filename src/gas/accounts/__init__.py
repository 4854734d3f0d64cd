"""Who a person is: users, their plan, their API tokens, sign-in."""
