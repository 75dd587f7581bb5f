"""The vocabulary of the whole program: what a service is asked, what it says, and what it can do."""
