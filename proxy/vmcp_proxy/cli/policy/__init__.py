"""`vmcp policy`: policies, before they are in force."""
