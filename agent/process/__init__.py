"""The processes of an agent: who starts and stops them, what each role is made of, and what they share."""
