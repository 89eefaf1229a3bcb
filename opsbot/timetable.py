"""Pure decisions of the scheduler: which fires are due, what becomes of those that passed, who must wait for whom."""
